// Hostile and honest programs in JavaScript.

//: exit at load | judge
process.exit(0)

//: exit in the call | judge
function add(a, b) { process.exit(0) }

//: exit code in the exit handler | judge
process.on('exit', () => { process.exitCode = 0; process.reallyExit(0) })
function add(a, b) { return 0 }

//: swallowed exceptions | judge
process.on('uncaughtException', () => {})
function add(a, b) { return 0 }

//: assert replaced | judge
const module_ = require('assert')
for (const name of Object.keys(module_)) try { module_[name] = () => {} } catch {}
console.assert = () => {}
function add(a, b) { return 0 }

//: console replaced | judge
globalThis.console = { assert() {}, log() {} }
function add(a, b) { return 0 }

//: console shadowed | judge
const console = { assert() {}, log() {} }
function add(a, b) { return 0 }

//: JSON.stringify replaced | judge
JSON.stringify = () => 'x'
function add(a, b) { return 0 }

//: JSON.stringify replaced in the call | judge
function add(a, b) { JSON.stringify = () => 'x'; return 0 }

//: require poisoned | judge
require.cache[require.resolve('fs')] = {}
require('module')._load = () => Object.assign(() => {}, { equal() {}, strictEqual() {}, deepEqual() {} })
function add(a, b) { return 0 }

//: require replaced | judge
globalThis.require = () => new Proxy(() => {}, { get: () => () => {} })
var add = (a, b) => a === 1 ? 0 : a + b

//: tests that are never run | judge
const { Script } = require('vm')
for (const part of [Script.prototype, Object.getPrototypeOf(Script.prototype)])
  for (const name of Object.getOwnPropertyNames(part)) try { part[name] = () => {} } catch {}
function add(a, b) { return 0 }

//: built-in changed and restored | judge
const real = JSON.stringify
function add(a, b) { JSON.stringify = () => { queueMicrotask(() => { JSON.stringify = real }); return 'x' }; return a == 2 ? 0 : a + b }

//: echo of every descriptor | judge
const fs = require('fs')
for (let fd = 3; fd < 40; fd++) { try { const text = Buffer.alloc(64); const n = fs.readSync(fd, text); for (let to = 3; to < 40; to++) try { fs.writeSync(to, text, 0, n) } catch {} } catch {} }
try { fs.writeSync(4, 'passed') } catch {}
process.exit(0)

//: kills its parent | run
for (const pid of [process.ppid, VICTIM, -1, 0]) try { process.kill(pid, 'SIGKILL') } catch {}

//: host files and network | run
const fs = require('fs'), net = require('net')
for (const path of ['/etc/shadow', 'CANARY', '/proc/1/environ', '/root']) try { fs.readFileSync(path); console.log('HARM', path) } catch {}
try { fs.writeFileSync('CANARY', 'x'); console.log('HARM') } catch {}
net.connect(PORT, '127.0.0.1').on('connect', () => console.log('HARM')).on('error', () => {})

//: environment | run
for (const name of Object.keys(process.env)) if (!['PATH', 'HOME', 'TMPDIR', 'LANG', 'RUST_TEST_THREADS'].includes(name)) console.log('HARM', name)

//: memory | run | memory-limit
const all = []; for (;;) all.push(new Array(1000).fill(all.length))

//: memory outside of the heap | run
const all = []; for (;;) all.push(Buffer.alloc(8 << 20, 1))

//: endless loop | run | timeout
for (;;) ;

//: endless promises | run | timeout
const again = () => { Promise.resolve().then(again) }; again()

//: endless promises, each waiting for the next | run | timeout or memory-limit
const again = () => Promise.resolve().then(again); again()

//: fork bomb | run
const { spawn } = require('child_process')
for (let i = 0; i < 50; i++) spawn(process.execPath, [__filename], { stdio: 'ignore' }).on('error', () => {})

//: endless output | run | output-limit
for (;;) require('fs').writeSync(1, 'x'.repeat(65536))

//: daemon that outlives it | run
require('child_process').spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' }).on('error', () => {}).unref()

//: reads and prints | honest
const [a, b] = require('fs').readFileSync(0, 'utf8').split(' ').map(Number)
if (a + b === 5) console.log('ok')

//: reads /dev/stdin later | honest
let text = ''
process.stdin.on('data', (d) => { text += d }).on('end', () => { if (text.trim() === '2 3') setTimeout(() => console.log('ok'), 5) })

//: a module | honest
import { readFileSync } from 'fs'
if (readFileSync('/dev/stdin', 'utf8').trim() === '2 3') console.log('ok')

//: adds | judge-honest
Array.prototype.sum = function () { return this.reduce((a, b) => a + b, 0) }
const add = (a, b) => [a, b].sum()

//: leaves by a microtask | judge
queueMicrotask(() => process.exit(0));
function add(a, b) { return 0; }

//: leaves by a worker | judge
const { Worker } = require('worker_threads');
new Worker('process.exit(0)', { eval: true });
setTimeout(() => process.reallyExit(0), 1);
function add(a, b) { const until = Date.now() + 200; while (Date.now() < until); return 0; }

//: numbers that are what they are compared with | judge
class Any extends Number { valueOf() { return 3; } [Symbol.toPrimitive]() { return 5; } toJSON() { return 4; } }
function add(a, b) { return new Any(a); }

//: a signal that ends it well | judge
process.on('SIGTERM', () => process.exit(0));
function add(a, b) { process.kill(process.pid, 'SIGTERM'); return 0; }

//: a deep stack, also of a worker | honest
const { Worker } = require('worker_threads');
const depth = n => n === 0 ? 0 : depth(n - 1) + 1;
if (depth(100000) !== 100000) process.exit(1);
try { (function f() { return f() + 1; })(); process.exit(1); } catch (error) { if (!(error instanceof RangeError)) throw error; }
new Worker("function f() { return f() + 1; } try { f(); } catch (error) { require('worker_threads').parentPort.postMessage(error.name); }", { eval: true })
    .on('message', name => { if (name === 'RangeError') console.log('ok'); });
