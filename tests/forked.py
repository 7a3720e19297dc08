"""The command line, a process a command, without the time that Python takes to start: forked from one that has loaded all of it.

``main`` runs as it is installed, with its own arguments, environment, input and streams; only its start is shared.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAIN = "salus.__main__"  # which runs as soon as it is imported


@dataclass(frozen=True)
class Done:
    """A command that has ended: what was typed, its exit code and what it wrote."""

    words: tuple[str, ...]
    status: int
    out: bytes
    err: bytes

    @property
    def code(self) -> str:
        """The refusal's full code; "" where there is none."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return str(json.loads(self.out)["error"]["code"])
        said = self.err.decode(errors="replace")
        return said.removeprefix("salus: ").partition(":")[0].strip() if said.startswith("salus: ") else ""

    @property
    def document(self) -> Any:
        """What it answered with ``--json``."""
        return json.loads(self.out)


class Forker:
    """Runs commands in ``folder``, where their streams are kept. Close it with `close`."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("SALUS")}
        self._folder, self._number = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))],
            env={**plain, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def run(self, words: Sequence[str], variables: Mapping[str, str], given: bytes = b"") -> Done:
        """Run ``salus`` with ``words`` to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._number += 1
        place = self._folder / f"{self._number}"
        place.with_suffix(".in").write_bytes(given)
        asked = {"words": list(words), "variables": dict(variables), "place": str(place)}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return Done(tuple(words), status, place.with_suffix(".out").read_bytes(), place.with_suffix(".err").read_bytes())

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def loaded_main() -> Any:
    """``main``, with every module loaded that a command might ask for."""
    for module in pkgutil.walk_packages(importlib.import_module("salus").__path__, "salus."):
        if module.name != MAIN:
            importlib.import_module(module.name)
    return importlib.import_module("salus.cli.app").main


def _serve() -> None:
    main = loaded_main()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(asked, main)
        sys.stdout.buffer.write(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        sys.stdout.buffer.flush()


def _become(asked: dict[str, Any], main: Any) -> None:
    """Be the command that was asked for, and end as it ends."""
    for number, suffix in enumerate((".in", ".out", ".err")):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(asked["place"] + suffix, flags, 0o600), number)
    os.environ.update(asked["variables"])
    to_its_end(asked["words"], main)


def to_its_end(words: Sequence[str], main: Any) -> None:
    """Run ``salus`` with ``words`` in this process, and end as it ends."""
    sys.stdin = os.fdopen(os.dup(0))
    sys.argv = ["salus", *words]
    status: object = 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code
    except BaseException as error:  # as the interpreter does
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    _serve()
