"""What `seedstep` and `python` of `support.forking` run: it asks a server for a process.

Its arguments are the server's socket, Python, and a command line. Python itself runs only what is
neither a module, nor a file, nor a text.
"""

import json
import os
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

_, address, python, *argv = sys.argv
words, env = argv[1:], dict(os.environ)
while argv[0] == "python" and words[:1] in (["-P"], ["-u"]):
    if words.pop(0) == "-u":
        env["PYTHONUNBUFFERED"] = "1"
if argv[0] == "python" and words[:2] == ["-m", "seedstep"]:
    words = ["seedstep", *words[2:]]
elif argv[0] == "python" and (not words or (words[0][0] == "-" and words[0] not in ("-c", "-m"))):
    os.execv(python, [python, *argv[1:]])
else:
    words = [argv[0], *words]
copy = 0
heard: list[int] = []


def tell(number: int, _: Any) -> None:
    """Pass a signal on to the copy, or remember it until there is one."""
    if copy:
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(copy, number)
    else:
        heard.append(number)


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, tell)
command = json.dumps({"argv": words, "cwd": str(Path.cwd()), "env": env})
with socket.socket(socket.AF_UNIX) as server:
    server.connect(address)
    socket.send_fds(server, [len(command).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(command.encode("ascii"))
    for stream in (0, 1, 2):
        os.close(stream)
    told = server.recv(4)
    copy = int.from_bytes(told, "big")
    for early in heard if copy else ():
        tell(early, None)
    told = server.recv(4)
status = struct.unpack("!i", told)[0] if told else 139
if status < 0:
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
