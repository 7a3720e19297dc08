"""``salus`` for scripts, a process a command, without the time that Python takes to start: forked from one that has started.

`salus_command` makes a ``salus`` that hands its arguments, folder, environment and streams to a server over a socket. What runs
there is `main`, as it is installed; a signal to the command reaches it, and where the command is killed it is killed.
``started.py COMMAND...`` runs a command with it on the PATH.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from forked import loaded_main, to_its_end

ASKED = 1 << 20  # bytes that a command's arguments and environment have at most
STUB = """#!{python} -IS
import array, json, os, signal, socket, sys
line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
line.connect({path!r})
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
line.sendmsg([asked], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
running = int(line.recv(32))
for one in (signal.SIGTERM, signal.SIGINT):
    signal.signal(one, lambda number, _: os.kill(running, number))
sys.exit(int(line.recv(32)))
"""


@functools.cache
def salus_command() -> Path:
    """The ``salus`` of this process, in a folder of its own, until the process ends."""
    until_the_end = contextlib.ExitStack()
    atexit.register(until_the_end.close)
    folder = Path(until_the_end.enter_context(tempfile.TemporaryDirectory(prefix="salus-")))
    path, stub = folder / "socket", folder / "salus"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.bind(str(path))
        line.listen(64)
        begin = [sys.executable, __file__, str(line.fileno())]
        server = subprocess.Popen(begin, pass_fds=[line.fileno()], stdin=subprocess.DEVNULL)
    until_the_end.callback(server.wait)
    until_the_end.callback(server.terminate)
    stub.write_text(STUB.format(python=sys.executable, path=str(path)))
    stub.chmod(0o755)
    return stub


def with_salus(**variables: str) -> dict[str, str]:
    """An environment with it on the PATH, with these ``variables`` and none else of Salus."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SALUS")}
    return {**plain, "PATH": f"{salus_command().parent}{os.pathsep}{os.environ['PATH']}", **variables}


def _serve(line: socket.socket) -> None:
    main = loaded_main()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who watches over a command is waited for by nobody
    while True:
        asking, _ = line.accept()
        if os.fork() == 0:
            line.close()
            _watch(asking, main)
        asking.close()


def _watch(asking: socket.socket, main: Any) -> None:
    """Run one command, say who it is, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, given, _, _ = asking.recvmsg(ASKED, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    streams = array.array("i", given[0][2])
    words, place, environment = json.loads(data)
    child = os.fork()
    if child == 0:
        asking.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(place)
        os.environ.clear()
        os.environ.update(environment)
        to_its_end(words, main)
    asking.send(b"%d" % child)
    ready, _, _ = select.select([asking, os.pidfd_open(child)], [], [])
    if asking in ready:  # nobody asks any more
        os.kill(child, signal.SIGKILL)
    _, how = os.waitpid(child, 0)
    ended = os.waitstatus_to_exitcode(how)
    with contextlib.suppress(OSError):  # whoever asked may be gone
        asking.send(b"%d" % (ended if ended >= 0 else 128 - ended))
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1].isdigit():
        _serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(subprocess.run(sys.argv[1:], env=with_salus()).returncode)
