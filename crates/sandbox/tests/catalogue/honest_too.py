# More programs that must work as they would outside, by somebody who looked for what might break them.

#: processes that share what one of them holds | run | passed
import multiprocessing, time
values = list(range(3_000_000))
def part(number):
    time.sleep(0.2)
    return values[number] + values[-1]
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(part, range(8)) == [n + 2_999_999 for n in range(8)]
    print("ok")

#: memory that several processes map | run | passed
import mmap, os, time
block = mmap.mmap(-1, 160 << 20)
for place in range(0, len(block), 4096):
    block[place] = 1
pids = []
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        total = sum(block[place] for place in range(0, len(block), 4096))
        time.sleep(0.1)
        os._exit(total % 251)
    pids.append(pid)
assert all(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == (160 << 8) % 251 for pid in pids)
print("ok")
