"""The guides for patients and clinicians are followed, command by command, in a fresh home, and each command works."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from salus.crypto.passphrase import Cost, lock, unlock
from salus.fhir.authoring import medication_request
from started import with_salus
from world import CLEMENTE

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
PASSPHRASE = "correct horse battery staple"
VITAL = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}


def resource(kind: str, identity: str, **fields: Any) -> bytes:
    return json.dumps({"resourceType": kind, "id": identity, **fields}).encode()


def observation(identity: str) -> bytes:
    return resource("Observation", identity, status="final", category=[VITAL], code={"text": "Blood pressure"})


#: What a reader of the guides has at hand.
FILES = {
    "hospital.json": CLEMENTE,
    "gp-1.json": observation("blood-pressure-1"),
    "gp-2.json": observation("blood-pressure-2"),
    "allergy.json": resource("AllergyIntolerance", "own", code={"text": "Penicillin"}, patient={"reference": "Patient/p"}),
    "visit.txt": b"Seen today.",
    "correction.txt": b"Seen yesterday.",
    "observation.json": observation("by-the-physician"),
    "hours.toml": re.findall(r"^```toml\n(.*?)^```", (GUIDES / "clinician.md").read_text("utf-8"), re.S | re.M)[0].encode(),
    "order.json": medication_request("Amoxicillin 250 mg", "one three times a day", "Ana"),
}


@dataclass
class Reader:
    """Somebody at a shell, in one home; what a command exports stays."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    locked: bool = False  # as costly as a home locks itself

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"set -eu\n{command}\nenv > .env"],
            cwd=self.folder,
            env={**self.environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        kept = dict(line.split("=", 1) for line in (self.folder / ".env").read_text().splitlines() if "=" in line)
        self.environment |= {name: value for name, value in kept.items() if name.startswith("SALUS_")}
        if self.locked and (self.folder / "agent" / "agent.key").exists():
            lock_lightly(self.folder / "agent" / "agent.key", PASSPHRASE)
            self.locked = False
        return done.stdout

    def ask(self, command: str) -> Any:
        return json.loads(self.run(f"{command} --json"))

    def follow(self, guide: str, before: dict[str, Callable[[Reader], None]], ids: dict[str, Callable[[Reader], str]]) -> int:
        """Run every line of every block; ``before`` a line, do what others do; put real ids for those of the page."""
        count = 0
        for line in lines(GUIDES / guide):
            for start, act in before.items():
                if line.startswith(start):
                    act(self)
            for shown, find in ids.items():
                if shown in line:
                    line = line.replace(shown, find(self))
            self.run(line)
            count += 1
        return count


def lock_lightly(file: Path, passphrase: str) -> None:
    """The same passphrase, stretched as little as a home takes: each of a guide's hundred commands would take a second more."""
    file.write_bytes(lock(passphrase, unlock(passphrase, file.read_bytes()), Cost(1, 1, 8192)))


def lines(guide: Path) -> Iterator[str]:
    for block in re.findall(r"^```sh\n(.*?)^```", guide.read_text("utf-8"), flags=re.S | re.M):
        yield from filter(None, block.replace("\\\n", " ").splitlines())


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")
    return Reader(tmp_path, with_salus(SALUS_HOME=str(tmp_path)))


def test_the_patients_guide_works_as_it_is_written(reader: Reader) -> None:
    reader.environment["SALUS_PASSPHRASE_FILE"] = str(reader.folder / "passphrase")
    reader.locked = True

    def physician(there: Reader) -> None:
        if not (there.folder / "dr-reyes.card").exists():
            there.run('salus person add "Dr. Reyes" --role physician && salus contact show "Dr. Reyes" > dr-reyes.card')

    def listed(there: Reader) -> None:
        physician(there)
        there.run('SALUS_AS="Dr. Reyes" salus directory publish --specialty Cardiology --place Bern')

    def first(there: Reader) -> str:
        return str(there.ask("salus access")["grants"][0]["grant"])

    def entry(there: Reader) -> str:
        return str(there.ask("salus chart")["versions"][0]["entry"])

    def note(there: Reader) -> None:
        there.run('SALUS_AS="Dr. Reyes" salus inbox && SALUS_AS="Dr. Reyes" salus note visit.txt --of Ana')

    def prescribed(there: Reader) -> None:
        if not there.ask("salus rx list")["own"]:
            there.run('SALUS_AS="Dr. Reyes" salus rx issue order.json --of Ana --override benefit-outweighs-risk')

    def open_hours(there: Reader) -> None:
        there.run('SALUS_AS="Dr. Reyes" salus hours publish hours.toml')

    def slot(there: Reader) -> str:
        return str(there.ask("salus slots find --specialty cardio")["slots"][0]["slot"])

    before = {
        "salus contact add": physician,
        "salus inbox": prescribed,
        "salus access --reader": note,
        "salus directory find": listed,
        "salus slots find --specialty cardio --near Bern": open_hours,
    }
    ids = {
        "67e23918": lambda there: there.ask("salus rx list")["own"][0]["prescription"][:8],
        "5137ba4afda194a64b5e98dfbf3f5fc5ea3048ca51a423557d8db29f0782d10d": first,
        "5137ba4a": lambda there: first(there)[:8],
        "1ed4abf451846b942db5a1af3e79a0834f3496165f18f1da7d8c5741a8b6f26e": entry,
        "9f86d081@1795852800000": slot,
        "4bf5122f": lambda there: there.ask("salus appt list")["appointments"][0]["appointment"]["appointment"][:8],
        "ana.export": lambda there: "ana.export --export-passphrase-file passphrase",
        "MedicationRequest/123": lambda there: there.ask("salus chart")["versions"][0]["resource"],
    }
    assert reader.follow("patient.md", before, ids) > 35


def test_the_clinicians_guide_works_as_it_is_written(reader: Reader) -> None:
    grant = 'salus grant --as {} --to "{}" --section vitals --section problems --section medications --standing --for 2w'

    def patients(there: Reader) -> None:
        there.run("salus init && salus person add Ana && salus person add Ben")
        there.run('salus person add "Dr. Lind" --role physician')
        there.run('salus staff add "Dr. Lind" --duty physician')
        for name in ("Ana", "Ben"):
            there.run(f"salus import hospital.json --as {name}")

    def granted(there: Reader) -> None:
        there.run(grant.format("Ana", "Dr. Reyes"))
        there.run('salus grant --as Ana --to "Dr. Reyes" --section documents --section vitals --right append --for 2w')
        there.run(grant.format("Ben", "Practice") + " && salus inbox --as Practice")

    before = {"export SALUS_AS": patients, "salus inbox": granted}
    written: list[str] = []

    def own(there: Reader) -> str:
        """The newest note that is still the physician's to change."""
        rows = there.ask("salus chart --of Ana --type DocumentReference")["versions"]
        written.append(rows[-1]["entry"])
        return written[-1]

    ids = {
        "67e23918": lambda there: there.ask("salus rx list")["issued"][0]["prescription"][:8],
        "1ed4abf451846b942db5a1af3e79a0834f3496165f18f1da7d8c5741a8b6f26e": own,
        "Condition/44": lambda there: there.ask("salus chart --of Ana --section problems")["versions"][0]["resource"],
        "7c1f0a2b": lambda there: there.ask("salus access --as Ana")["grants"][-1]["grant"][:8],
    }
    assert reader.follow("clinician.md", before, ids) > 20
    assert len(written) == 2
