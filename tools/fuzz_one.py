"""Fuzz one target of ``tests/fuzz_targets.py``: ``PYTHONPATH=tests python tools/fuzz_one.py TARGET [libFuzzer's arguments]``.

``planted`` is the target with a bug in it.
"""

from __future__ import annotations

import sys

import atheris

from salus.errors import SalusError

with atheris.instrument_imports(include=["salus", "fuzz_targets"]):
    import fuzz_targets


def main() -> None:
    """Give the target bytes until libFuzzer ends it; a refusal is what it is for, anything else ends the process."""
    name = sys.argv.pop(1)
    accept = fuzz_targets.planted if name == "planted" else fuzz_targets.TARGETS[name]().accept

    def one(data: bytes) -> None:
        try:
            accept(data)
        except SalusError:
            return

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
