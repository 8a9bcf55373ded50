# Reaching the network.

#: loopback | run
import socket
try:
    socket.create_connection(("127.0.0.1", PORT), timeout=0.5)
    print("HARM")
except OSError:
    pass

#: listen | run
import socket
try:
    s = socket.socket()
    s.bind(("0.0.0.0", 0))
    s.listen()
    print("HARM")
except OSError:
    pass

#: datagrams and raw packets | run
import socket
for args in ((socket.AF_INET, socket.SOCK_DGRAM), (socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_INET6, socket.SOCK_STREAM), (socket.AF_PACKET, socket.SOCK_RAW), (socket.AF_NETLINK, socket.SOCK_RAW, 0)):
    try:
        socket.socket(*args)
        print("HARM", args)
    except OSError:
        pass

#: abstract socket of the host | run
import socket
s = socket.socket(socket.AF_UNIX)
try:
    s.connect("\0ABSTRACT")
    print("HARM")
except OSError:
    pass

#: socket of the host in a file | run
import socket
for path in ("/run/docker.sock", "/var/run/dbus/system_bus_socket", "/run/systemd/notify", "CANARY.sock"):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
        print("HARM")
    except OSError:
        pass

#: names | run
import socket
try:
    print("HARM", socket.getaddrinfo("example.org", 80))
except OSError:
    pass

#: another way to a socket | run
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.syscall(41, 2, 1, 0)
if fd >= 0:
    print("HARM")
