import json, os, sys
def read(n):
    data = b""
    while len(data) < n:
        chunk = os.read(3, n - len(data))
        if not chunk:
            os._exit(0)
        data += chunk
    return data
hello = json.loads(read(int.from_bytes(read(4), "little")))
try:
    exec(compile(hello["sources"].pop("zygote"), "<hone>/zygote.py", "exec"), globals())
    start(hello["sources"], hello["config"])
except BaseException as error:
    os.write(2, ("%s: %s" % (type(error).__name__, error)).encode()[:4000])
    os._exit(70)
