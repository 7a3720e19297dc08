"""What it costs to take a whole patient in, signed, sealed and durable, beside reading and validating the same file.

Each round imports into a new person's empty record, so that its sections are made as well.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from bench.homes import patient_home, take_in
from bench.ratios import Effort, Row, Side, compare, repeated, timed
from bench.records import packaged, record
from salus.agent.services.people import add_person
from salus.exchange.cards import Role
from salus.fhir.parsing import read_resources
from salus.fhir.validation import faults


def rows(effort: Effort) -> Iterator[Row]:
    """A row for a long record, and one for the short record of the package."""
    with tempfile.TemporaryDirectory() as folder, patient_home(Path(folder) / "home") as agent:
        names = map(str, count())

        def importing(data: bytes) -> Callable[[], float]:
            def run() -> float:
                name = next(names)
                add_person(agent, name, Role.PATIENT, cold_dir=Path(folder) / "cold")
                return timed(lambda: take_in(agent, data, name))

            return run

        for data, size in ((record(effort.of(1000, 80)), effort.of(1000, 80)), (packaged(), 70)):
            yield compare(
                effort,
                f"import of a patient of {size} resources, signed, sealed, durable",
                "parsing and validating the same",
                "<= 3",
                importing(data),
                _validating(data),
            )


def _validating(data: bytes) -> Side:
    return repeated(lambda: [faults(resource) for resource in read_resources(data)])
