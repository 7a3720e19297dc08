"""Write the vectors: one scenario a file, with what must come of it. Only files that are missing are written.

``PYTHONPATH=tests python tools/make_vectors.py`` from the checkout. Keys are fixed by names, but sealing draws fresh randomness
and so does one half of a hybrid signature: a new file differs from an earlier one of the same name, and what is checked in stays.
After a change of a format, ``make_vectors.py card letter`` writes these kinds anew and deletes what is no scenario any more.
A file has ``name: value`` lines; values are hexadecimal but for ``what``, ``kind``, ``expect`` and numbers.
"""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path

from scenarios import Scenario, agent, care, charts, exchange, ledger, prescriptions, schedules, sealing, warrants

VECTORS = Path(__file__).parents[1] / "vectors"


def write(scenario: Scenario) -> None:
    """One file."""
    kind, what, expect, fields = scenario
    path = VECTORS / kind / f"{what}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"what: {what}", f"kind: {kind}", f"expect: {expect}"]
    lines += [f"{name}: {value if isinstance(value, int) else value.hex()}" for name, value in fields.items()]
    path.write_text("\n".join(lines) + "\n", "ascii")


def main() -> None:
    """Write what is missing, and the kinds that are named anew."""
    again = set(sys.argv[1:])
    for path in [path for kind in again for path in (VECTORS / kind).glob("*.txt")]:
        path.unlink()
    rooms = (sealing, charts, ledger, warrants, agent, exchange, prescriptions, schedules, care)
    for scenario in chain(*(room.scenarios() for room in rooms)):
        if not (VECTORS / scenario[0] / f"{scenario[1]}.txt").exists():
            write(scenario)


if __name__ == "__main__":
    main()
