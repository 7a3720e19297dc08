"""Whether looking for one kind of resource stays quick: the conditions of a chart, among ten times as many resources.

Both charts have the same conditions and are warm; the rest are observations, sealed as an import seals them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bench.homes import PATIENT, patient_home
from bench.ratios import Effort, Row, compare, repeated
from bench.records import resources
from salus.agent.home import Agent
from salus.agent.services.charting import open_chart
from salus.agent.services.sealing import Draft, Signing, seal_own, silent
from salus.charts.entry import EntryKind, Leaf
from salus.charts.sealing import new_salt
from salus.charts.sections import SectionKind
from salus.fhir.parsing import read_resource

_CONDITIONS, _PAGE = 50, 300  # resources in one entry: about as many bytes as an import puts into one


def rows(effort: Effort) -> Iterator[Row]:
    """One row."""
    many = effort.of(100_000, 2_000)
    with (
        tempfile.TemporaryDirectory() as folder,
        patient_home(Path(folder) / "large") as large,
        patient_home(Path(folder) / "small") as small,
    ):
        _fill(large, many)
        _fill(small, many // 10)
        _open(large)
        _open(small)
        calls = effort.of(3, 1)
        yield compare(
            effort,
            f"chart --type Condition at {many} resources",
            f"at {many // 10} resources",
            "<= 1.5",
            repeated(lambda: _open(large), calls),
            repeated(lambda: _open(small), calls),
        )


def _open(agent: Agent) -> None:
    if len(open_chart(agent, PATIENT, PATIENT, types=["Condition"]).shown) != _CONDITIONS:
        raise SystemExit("the conditions are not all there")


def _fill(agent: Agent, count: int) -> None:
    conditions = [*islice(resources(("Condition",), once=False), _CONDITIONS)]
    drafts = [_draft(SectionKind.PROBLEMS, conditions)]
    found = resources(("Observation",), once=False)
    for start in range(0, count - _CONDITIONS, _PAGE):
        drafts.append(_draft(SectionKind.RESULTS, [*islice(found, min(_PAGE, count - _CONDITIONS - start))]))
    seal_own(agent, agent.wallet(PATIENT), drafts, Signing(EntryKind.RECORD, "City Hospital", agent.clock()), silent)


def _draft(kind: SectionKind, rows: list[tuple[str, str]]) -> Draft:
    found = [read_resource(text.encode(), url) for url, text in rows]
    return Draft(kind, tuple(Leaf(new_salt(), one.identity, one.full_url, one.raw, b"") for one in found), ())
