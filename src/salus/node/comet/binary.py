"""Which program the engine is: found, and held to the one version whose sum is pinned here."""

from __future__ import annotations

import mmap
import os
import shutil
from pathlib import Path

from salus.errors import NodeRefused

VARIABLE = "SALUS_ENGINE"
MODULE = "github.com/cometbft/cometbft"
VERSION = "v0.40.0"
SUM = "h1:0+zc7FlcnonFfMwzhyDCd5vK/fHZqz0RfRyTCxZsFPU="  # the module's line in tools/engine/go.sum
# What the Go linker writes into every program that it builds. The line after it begins with "=>" where another source was put
# in the module's place. The version that the program prints is of no use: it is a constant that upstream forgot to change.
BUILT = f"path\t{MODULE}/cmd/cometbft\nmod\t{MODULE}\t{VERSION}\t{SUM}\ndep\t".encode()
CHECKOUT = Path(__file__).parents[4]


def find_engine(checkout: Path = CHECKOUT) -> Path:
    """What ``SALUS_ENGINE`` names, else ``.engine/cometbft`` of the checkout, else ``cometbft`` in ``PATH``.

    `NodeRefused` ``no-engine`` where there is none, ``wrong-engine`` where it is not the pinned version. That protects from
    mistakes; whoever can replace programs on this machine can also write such a line.
    """
    found = _program(checkout)
    if found is None or not found.is_file() or not os.access(found, os.X_OK):
        raise NodeRefused("no-engine", f"the engine is not there: `make engine` builds it, or {VARIABLE} names its program")
    if not _holds(found, BUILT):
        raise NodeRefused("wrong-engine", f"the engine's program is not CometBFT {VERSION} as `make engine` builds it")
    return found.absolute()


def _program(checkout: Path) -> Path | None:
    """Where the engine should be; what is named is never replaced by another."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    built = checkout / ".engine" / "cometbft"
    if built.is_file():
        return built
    installed = shutil.which("cometbft")
    return Path(installed) if installed else None


def _holds(path: Path, line: bytes) -> bool:
    """Whether a file holds these bytes; the operating system reads it piece by piece."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return text.find(line) >= 0
    except ValueError:  # an empty file cannot be mapped
        return False
    except OSError as error:
        raise NodeRefused("no-engine", "the engine's program cannot be read") from error
