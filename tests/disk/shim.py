"""The shim between a process and its disk: built when it is needed, loaded into a process, steered from inside it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from salus.crypto.hashing import sha256

SOURCE = Path(__file__).with_name("shim.c")
BUILT = Path(__file__).parents[2] / ".build"


def shim() -> Path:
    """The library, built from its source unless it was; the test is skipped where it cannot be."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler, to stand between the process and its disk")
    library = BUILT / f"disk-{sha256(SOURCE.read_bytes()).hex()[:16]}.so"
    if not library.exists():
        BUILT.mkdir(exist_ok=True)
        partial = library.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", partial, SOURCE, "-lpthread"], check=True)
        partial.replace(library)
    return library


def behind(root: Path, script: str | Path, *arguments: object, log: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a Python script whose files below ``root`` stand behind the shim; with ``log``, all that is done to them is kept."""
    paths = [str(Path(__file__).parents[1]), *sys.path]
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("SALUS_HOME", "COV"))}
    steered = {"LD_PRELOAD": str(shim()), "DISK_ROOT": str(root), "DISK_FAST": "1"}
    logged = {} if log is None else {"DISK_LOG": str(log)}
    environment = {**plain, **steered, **logged, "PYTHONPATH": os.pathsep.join(paths)}
    words = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def fail(passing: int, code: int) -> None:
    """From inside: let so many changes pass, and refuse what follows; with code 0 nothing is refused."""
    ctypes.CDLL(None).disk_fail(ctypes.c_long(passing), code)


def changes() -> int:
    """From inside: how many changes there were."""
    return int(ctypes.CDLL(None).disk_changes())


def mark(note: bytes) -> None:
    """From inside: put a note into the log."""
    ctypes.CDLL(None).disk_mark(note, ctypes.c_size_t(len(note)))
