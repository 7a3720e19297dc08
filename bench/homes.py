"""A home with one patient, in this process, as a command has it: agent and node over a folder, on this machine's disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from salus.agent.home import Agent
from salus.agent.services.importing import ImportReport, import_files
from salus.agent.services.people import add_person
from salus.agent.services.sealing import silent
from salus.bootstrap import open_home
from salus.exchange.cards import Role
from salus.homes import init_home

PATIENT = "Clemente"


@contextmanager
def patient_home(home: Path) -> Iterator[Agent]:
    """The agent of ``home``, made with a patient where there is none."""
    fresh = not (home / "genesis.bin").exists()
    if fresh:
        init_home(home, None)
    with open_home(home) as agent:
        if fresh:
            add_person(agent, PATIENT, Role.PATIENT, cold_dir=home / "cold")
        yield agent


def take_in(agent: Agent, data: bytes, name: str = PATIENT) -> ImportReport:
    """Import one file into the record of ``name``."""
    given = [("record.json", data)]
    return import_files(agent, name, given, source="City Hospital", as_of=None, other_patient_ok=False, progress=silent)
