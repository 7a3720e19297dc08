"""The probes' matrix, asked once over the code as it is and once over the code without its checks; ends with a report.

``PYTHONPATH=tests python tools/probes.py``. Exit 1 where anything comes of a cell but what the table says, or where fewer than
95 % of what must be refused leak without the checks.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import report
from probing import judging
from probing.cells import Cell
from probing.judging import Opening, Probed
from probing.world import State

Who = tuple[str, State]


def main() -> int:
    """Ask, count, report."""
    began, made_of = time.monotonic(), report.commit()
    with judging.probed() as (found, scratch):
        print(f"  asked {len(found.cells):,} cells", flush=True)
        opened = list(judging.openings(found))
        print(f"  tried everybody's bytes {len(opened):,} times", flush=True)
        control = judging.unchecked(found, scratch)
    wrong = [one for one in opened if one.expected != one.opened]
    for cell, trouble in found.troubles:
        print(f"FAILED {cell.role}, {cell.state}: {cell.right} {cell.place}, {cell.relation}: {trouble}", file=sys.stderr)
    for one in wrong:
        print(f"FAILED bytes of {one.role}, {one.state}: {one.what}, {one.number}", file=sys.stderr)
    share = sum(leak for _, leak in control) / len(control)
    lines = [
        *totals(found, opened, wrong, share, time.monotonic() - began),
        *by_person(found, opened, control),
        *by_right(found, control),
    ]
    kept = report.write("probes", "Probes", made_of, lines)
    print(f"{len(found.cells):,} cells, {len(found.troubles) + len(wrong)} failures, {share:.1%} leak unchecked; {kept.name}")
    return 1 if found.troubles or wrong or share < 0.95 else 0


def totals(found: Probed, opened: Sequence[Opening], wrong: Sequence[Opening], share: float, seconds: float) -> list[str]:
    """What it came to."""
    twins = len({twin for cell in found.cells for twin in cell.twins})
    cells, refused, opening = len(found.cells), len(found.refused), sum(one.opened for one in opened)
    return [
        f"{cells:,} cells: {cells - refused:,} are allowed, {refused:,} must be refused, and are held against {twins:,} twins",
        f"that ask for what is not there. {len(found.troubles)} leak content or existence, or refuse what is allowed.",
        f"With the checks switched off {share:.1%} of what must be refused leak.",
        "",
        "With all ciphertext at hand everybody's bytes were tried on every sealed entry, on a letter in each mailbox and on a",
        f"receipt of each section, {len(opened):,} times: {opening:,} open, {len(wrong)} otherwise than the table says.",
        "",
        f"{seconds:,.0f} seconds for everything.",
        "",
    ]


def by_person(found: Probed, opened: Sequence[Opening], control: Sequence[tuple[Cell, bool]]) -> Iterator[str]:
    """A row for each role and state."""
    cells, refused, troubles = _whose(found.cells), _whose(found.refused), _whose([cell for cell, _ in found.troubles])
    leaked = _whose([cell for cell, leak in control if leak])
    tried = Counter((one.role, one.state) for one in opened)
    open_ = Counter((one.role, one.state) for one in opened if one.opened)
    yield "| Role | State | Cells | Refused | Leaks | Leak unchecked | Bytes open |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for who in cells:
        figures = (cells[who], refused[who], troubles[who], leaked[who])
        yield f"| {who[0]} | {who[1]} | {' | '.join(f'{figure:,}' for figure in figures)} | {open_[who]} of {tried[who]} |"
    yield ""


def by_right(found: Probed, control: Sequence[tuple[Cell, bool]]) -> Iterator[str]:
    """A row for each right and relation."""
    cells, refused = (Counter((cell.right, cell.relation) for cell in some) for some in (found.cells, found.refused))
    leaked = Counter((cell.right, cell.relation) for cell, leak in control if leak)
    yield "| Right | Relation | Cells | Refused | Leak unchecked |"
    yield "|---|---|---:|---:|---:|"
    for what in cells:
        yield f"| {what[0]} | {what[1]} | {cells[what]:,} | {refused[what]:,} | {leaked[what]:,} |"


def _whose(cells: Sequence[Cell]) -> Counter[Who]:
    return Counter((cell.role, cell.state) for cell in cells)


if __name__ == "__main__":
    sys.exit(main())
