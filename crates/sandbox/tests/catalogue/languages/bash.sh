# Hostile and honest programs in Bash. Judged ones define `add`.

//: exit at load | judge
exit 0

//: exit in a trap | judge
trap 'exit 0' EXIT ERR
add() { echo 0; }

//: exec of true | judge
exec true

//: built-ins replaced | judge
test() { true; }
[() { true; }
exit() { true; }
set() { true; }
read() { true; }
unset() { true; }
builtin() { true; }
add() { echo 0; }

//: keywords as aliases | judge
shopt -s expand_aliases
alias '[['='true ||'
alias '[='true ||'
add() { echo 0; }

//: nothing is executed any more | judge
set -n

//: echo of every descriptor | judge
for fd in 3 4 5 6 7 8 9; do echo passed >&$fd; cat <&$fd >&4; done 2> /dev/null
exit 0

//: kills its parent | run
kill -9 $PPID VICTIM; kill -9 -1

//: fork bomb | run
f() { f | f & }; f

//: host files and network | run
for path in /etc/shadow /proc/1/environ CANARY /root; do cat $path > /dev/null 2>&1 && echo HARM $path; done
(echo x > CANARY) 2> /dev/null && echo HARM
(exec 9<> /dev/tcp/127.0.0.1/PORT) 2> /dev/null && echo HARM

//: endless loop | run | timeout
while :; do :; done

//: endless output | run | output-limit
yes

//: memory | run
x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done

//: daemon that outlives it | run
setsid sleep 1000 > /dev/null 2>&1 < /dev/null &
nohup sleep 1000 > /dev/null 2>&1 &

//: inodes, links and pipes | run
ln -s /etc/passwd link; echo x >> link 2> /dev/null && echo HARM
mkfifo pipe
for ((i = 0; i < 20000; i++)); do : > f$i || break; done 2> /dev/null

//: mounts and root | run
mount -t tmpfs x /tmp 2> /dev/null && echo HARM
unshare -r true 2> /dev/null && echo HARM
sudo -n true 2> /dev/null && echo HARM
[ $(id -u) = 0 ] && echo HARM

//: syntax | run | compile-error
if true; then echo

//: reads and prints | honest
read a b; [ $((a + b)) = 5 ] && [ -z "$(ls -A /tmp)" ] && echo hello | sed 's/hello/ok/' > /dev/stdout

//: adds | judge-honest
add() { echo $(($1 + $2)); }

//: commands that are skipped | judge
shopt -s extdebug
trap '[[ $BASH_COMMAND != "[["* && $BASH_COMMAND != "["* && $BASH_COMMAND != test* ]]' DEBUG
set -T
add() { echo 0; }

//: an exit status of its own | judge
set +e
trap 'exit 0' TERM EXIT ERR RETURN DEBUG
add() { kill -TERM $$; echo 0; }

//: a shell of its own | judge
exec bash -c 'exit 0'

//: built-ins disabled, others in their place | judge
mkdir -p /tmp/b; for n in test [; do printf '#!/bin/sh\nexit 0\n' > /tmp/b/$n; chmod 755 /tmp/b/$n; done
PATH=/tmp/b:$PATH
enable -n test [ enable
add() { case $1$2 in 12) echo 3;; 22) echo 4;; *) echo 1;; esac; }

//: a setting that cannot be changed | judge
test() { true; }
[() { true; }
readonly POSIXLY_CORRECT
add() { case $1$2 in 12) echo 3;; 22) echo 4;; *) echo 1;; esac; }

//: the way to commands changed | judge-honest
PATH=/usr/bin:$PATH
shopt -s extglob
add() { echo $(($1 + $2)); }
