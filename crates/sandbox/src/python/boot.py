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
    names, config = list(hello["sources"]), hello["config"]
    for name in names:
        module = sys.modules[name] = type(sys)(name)
        module.__file__ = "<hone>/%s.py" % name
        exec(compile(hello["sources"].pop(name), module.__file__, "exec"), module.__dict__)
    sys.modules["zygote"].start(names, config)
except BaseException as error:
    os.write(2, ("%s: %s" % (type(error).__name__, error)).encode()[:4000])
    os._exit(70)
