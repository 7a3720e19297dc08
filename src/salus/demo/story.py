"""The story of `make run`: a patient's record sealed, shared, read and withdrawn, on the real system, every claim checked.

It plays in a home folder of its own, which it removes at the end, and needs no network.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path

from salus.agent.asking import as_owner, fetch_packages
from salus.agent.given import given_grant
from salus.agent.own_sections import own_section
from salus.agent.services import (
    charting,
    granting,
    importing,
    inbox,
    licensing,
    people,
    proving,
    receipting,
    revoking,
    staffing,
    writing,
)
from salus.agent.services.sealing import silent
from salus.bootstrap import open_home
from salus.charts.epochs import EpochKeys, open_slot
from salus.charts.sections import DEFAULT_GRANT, SectionKind
from salus.demo import laboratory, pharmacy, visit
from salus.demo.cast import FAMILY, HOUR, NOTE, NURSE, PATIENT, PHYSICIAN, PRACTICE, STRANGER, Cast
from salus.demo.stage import Stage
from salus.exchange.cards import Duty, Role
from salus.homes import init_home
from salus.warrants.link import Purpose, Right


def play(stage: Stage, keep: Path | None = None) -> None:
    """Play the story in a folder of its own, or in ``keep``. `ClaimFailed` where a claim turns out to be untrue."""
    record = (files("salus.demo") / "patients" / "Clemente_Kreiger.json").read_bytes()
    with ExitStack() as stack:
        home = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="salus-story-")))
        init_home(home, passphrase=None)
        with open_home(home) as agent:
            cast = Cast(home, agent, record)
            for scene in SCENES:
                scene(stage, cast)
        _node_reads_nothing(stage, cast)
    stage.end()


def _wallets(stage: Stage, cast: Cast) -> None:
    stage.scene("A wallet for the patient, and one for each physician")
    people.add_person(cast.agent, PATIENT, Role.PATIENT, cold_dir=cast.home / "cold")
    for name in (PHYSICIAN, STRANGER):
        people.add_person(cast.agent, name, Role.PHYSICIAN, cold_dir=cast.home / "cold")
        licensing.issue_licence(cast.agent, people.own_card(cast.agent, name), Role.PHYSICIAN)
    stage.say("All keys come from one seed, in an encrypted store. A second, cold seed lies in a file of its own.")
    licensed = [licensing.show_licence(cast.agent, name).status == "active" for name in (PHYSICIAN, STRANGER)]
    stage.claim("the ledger shows both physicians licensed; it does not know that the patient exists", all(licensed))


def _import(stage: Stage, cast: Cast) -> None:
    stage.scene("The record is imported, signed, sealed, and anchored in the ledger")
    expected = {(entry["resource"]["resourceType"], entry["resource"]["id"]) for entry in json.loads(cast.record)["entry"]}
    report = importing.import_files(
        cast.agent,
        PATIENT,
        [("Clemente_Kreiger.json", cast.record)],
        source="City Hospital",
        as_of=None,
        other_patient_ok=False,
        progress=silent,
    )
    stage.say(f"{report.new} resources, {report.entries} sealed entries. Synthetic patient (Synthea, Apache-2.0).")
    own = charting.open_chart(cast.agent, PATIENT, PATIENT)
    stage.show(charting.chart_text(own), 24)
    shown = json.loads(charting.chart_bundle(own))["entry"]
    found = {(entry["resource"]["resourceType"], entry["resource"]["id"]) for entry in shown}
    stage.claim(f"all {len(expected)} resources come back, each signature and proof verified", expected <= found)


def _beside(stage: Stage, cast: Cast) -> None:
    stage.scene("Two more clinics, and what only the patient knows")
    for name, source in (("second_source", "Lake Clinic"), ("sensitive_episode", "Walk-in Clinic")):
        importing.import_files(
            cast.agent,
            PATIENT,
            [(name, _supplement(name))],
            source=source,
            as_of=None,
            other_patient_ok=False,
            progress=silent,
        )
    allergy = json.loads(_supplement("allergy_drug"))["entry"][1]["resource"]
    writing.add_record(cast.agent, PATIENT, json.dumps(allergy).encode())
    stage.say("These files were written for the story; nobody real stands behind them.")
    own = charting.open_chart(cast.agent, PATIENT, PATIENT)
    twins = [v.header.source for v in own.shown if v.leaf.data and v.identity[1] == _twin()]
    stage.claim("two hospitals that use the same number stand side by side", sorted(twins) == ["City Hospital", "Lake Clinic"])
    stage.claim("the allergy that the patient added stands in the chart", "Anaphylaxis" in charting.chart_text(own))


def _supplement(name: str) -> bytes:
    return (files("salus.demo") / "supplements" / f"{name}.json").read_bytes()


def _twin() -> str:
    """The identity that the second source shares with the first."""
    resource = json.loads(_supplement("second_source"))["entry"][1]["resource"]
    return f"{resource['resourceType']}/{resource['id']}"


def _refused(stage: Stage, cast: Cast) -> None:
    stage.scene("Nobody else can read it")
    stage.refused(
        f"{PHYSICIAN} is refused before any grant",
        "agent/no-grant",
        lambda: charting.open_chart(cast.agent, PHYSICIAN, PATIENT),
    )


def _granted(stage: Stage, cast: Cast) -> None:
    stage.scene("The patient grants: these sections, for treatment, for 72 hours")
    until = cast.agent.clock() + 72 * HOUR
    read = granting.grant(
        cast.agent, PATIENT, PHYSICIAN, sections=DEFAULT_GRANT, rights=(Right.READ,), purposes=(Purpose.TREAT,), until_ms=until
    )
    granting.grant(
        cast.agent,
        PATIENT,
        PHYSICIAN,
        sections=(SectionKind.DOCUMENTS,),
        rights=(Right.APPEND,),
        purposes=(Purpose.TREAT,),
        until_ms=until,
    )
    cast.grant = read.grant
    letters = inbox.collect(cast.agent, PHYSICIAN)
    stage.claim(f"{len(letters)} letters wait in the physician's inbox, sealed to that physician alone", len(letters) == 2)
    chart = charting.open_chart(cast.agent, PHYSICIAN, PATIENT)
    stage.show(charting.chart_text(chart), 14)
    types = {entry["resource"]["resourceType"] for entry in json.loads(charting.chart_bundle(chart))["entry"]}
    stage.claim("the physician reads observations", "Observation" in types)
    bundle = charting.chart_bundle(chart)
    stage.claim("the allergy is among what is read first", b"Anaphylaxis" in bundle)
    stage.claim("of the sensitive diagnosis there is not a word", b"mmunodeficiency" not in bundle and b"HIV" not in bundle)
    stage.claim("and no claim or bill, which were not granted", not types & {"Claim", "ExplanationOfBenefit", "Coverage"})
    stage.refused(
        f"{STRANGER}, licensed as well, is still refused",
        "agent/no-grant",
        lambda: charting.open_chart(cast.agent, STRANGER, PATIENT),
    )


def _note(stage: Stage, cast: Cast) -> None:
    stage.scene("The physician writes a signed note")
    written = writing.write_note(cast.agent, PHYSICIAN, PATIENT, NOTE.encode(), amends=None, entered_in_error=None)
    cast.note_entry = written.entry
    own = charting.open_chart(cast.agent, PATIENT, PATIENT, types=("DocumentReference",))
    entries = [version.header.entry.hex() for version in own.chart.current()]
    stage.claim("it stands in the patient's chart, signed by a licensed physician, verified", written.entry in entries)


def _who_read(stage: Stage, cast: Cast) -> None:
    stage.scene("The patient sees who read what")
    seen = [r for r in receipting.receipts(cast.agent, PATIENT) if r.reader_name == PHYSICIAN]
    for receipt in seen[:4]:
        stage.say(f"block {receipt.height}: {receipt.reader_name} read {receipt.section} for {receipt.purpose}")
    stage.claim("each reading left a receipt with the reader's own signature", bool(seen) and all(r.verified for r in seen))


def _withdrawn(stage: Stage, cast: Cast) -> None:
    stage.scene("The patient takes it back")
    done = revoking.revoke(cast.agent, PATIENT, grant=cast.grant)
    stage.say(f"refused since block {done.refused_since_height}")
    stage.refused(
        f"{PHYSICIAN} is refused by the vault",
        "warrants/revoked",
        lambda: charting.open_chart(cast.agent, PHYSICIAN, PATIENT, sections=DEFAULT_GRANT),
    )
    chart = charting.open_chart(cast.agent, PATIENT, PATIENT)
    stage.claim("the patient still reads everything", len(list(chart.chart.current())) > len(DEFAULT_GRANT))


def _family(stage: Stage, cast: Cast) -> None:
    stage.scene("A family physician reads on, for years if the patient likes")
    people.add_person(cast.agent, FAMILY, Role.PHYSICIAN, cold_dir=cast.home / "cold")
    licensing.issue_licence(cast.agent, people.own_card(cast.agent, FAMILY), Role.PHYSICIAN)
    made = _give(cast, FAMILY, (SectionKind.VITALS,), days=365)
    before = _vitals(cast, FAMILY)
    _pulse(cast, "pulse-1")
    stage.claim("what comes in later is read without a new grant", _vitals(cast, FAMILY) == before | {"Observation/pulse-1"})
    section = own_section(cast.agent, cast.agent.wallet(PATIENT), SectionKind.VITALS)
    ends = [epoch.activation for epoch in section.schedule if epoch.activation >= made.until]
    stage.claim("the end stands on the ledger already, as an epoch of its own: nobody has to be awake for it", len(ends) == 1)
    done = revoking.revoke(cast.agent, PATIENT, grant=made.grant)
    stage.say(
        f"dismissed: refused since block {done.refused_since_height}, sealed anew since block {done.sealed_anew_since_height}"
    )
    _pulse(cast, "pulse-2")
    stage.refused(f"{FAMILY} is refused by the vault", "warrants/revoked", lambda: _vitals(cast, FAMILY))
    stage.refused(
        "and the key that was granted fits no slot of the section any more", "charts/no-slot", lambda: _slot(cast, made)
    )


def _employee(stage: Stage, cast: Cast) -> None:
    stage.scene("A practice reads as an organisation; its staff comes and goes")
    people.add_person(cast.agent, NURSE, Role.NURSE, cold_dir=cast.home / "cold")
    licensing.issue_licence(cast.agent, people.own_card(cast.agent, NURSE), Role.NURSE)
    staffing.add_staff(cast.agent, NURSE, (Duty.NURSE,))
    _give(cast, PRACTICE, (SectionKind.VITALS, SectionKind.COVERAGE), days=365)
    stage.claim("the nurse opens what a nurse needs", "Observation/pulse-2" in _vitals(cast, NURSE))
    bills = charting.open_chart(cast.agent, NURSE, PATIENT).shown
    stage.claim("and no bill, which the patient granted to the practice too", all(v.section is SectionKind.VITALS for v in bills))
    rows = [row for row in receipting.receipts(cast.agent, PATIENT) if row.on_behalf_of == PRACTICE]
    stage.claim(f"each receipt names {NURSE}, for the {PRACTICE}", bool(rows) and {row.reader_name for row in rows} == {NURSE})
    gone = staffing.dismiss(cast.agent, NURSE)
    stage.say(f"{gone.name} is dismissed: {gone.ended} warrant revoked on the ledger")
    stage.refused(f"{NURSE} opens nothing more", "agent/no-grant", lambda: _vitals(cast, NURSE))


def _give(cast: Cast, reader: str, sections: tuple[SectionKind, ...], days: int) -> granting.GrantInfo:
    """A standing grant, with the history before it."""
    until = cast.agent.clock() + days * 24 * HOUR
    made = granting.grant(
        cast.agent,
        PATIENT,
        reader,
        sections=sections,
        rights=(Right.READ,),
        purposes=(Purpose.TREAT,),
        until_ms=until,
        lasting=granting.Lasting(standing=True, history=True),
    )
    inbox.collect(cast.agent, reader)
    return made


def _slot(cast: Cast, made: granting.GrantInfo) -> EpochKeys:
    """Try the grant's key on the key package of now."""
    wallet = cast.agent.wallet(PATIENT)
    section = own_section(cast.agent, wallet, SectionKind.VITALS)
    package = fetch_packages(cast.agent, as_owner(cast.agent, wallet, section), [section.epoch])[section.epoch.number]
    (part,) = given_grant(cast.agent, wallet, bytes.fromhex(made.grant)).made().sections
    return open_slot(package, part.slot_key, section.identity, section.epoch.number)


def _vitals(cast: Cast, reader: str) -> set[str]:
    chart = charting.open_chart(cast.agent, reader, PATIENT, sections=(SectionKind.VITALS,))
    return {version.identity[1] for version in chart.shown if version.identity[1].startswith("Observation/")}


def _pulse(cast: Cast, identity: str) -> None:
    """One more reading, as a clinic would send it."""
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]}
    value = {"resourceType": "Observation", "id": identity, "status": "final", "category": [{"coding": [category]}], "code": code}
    importing.import_files(
        cast.agent,
        PATIENT,
        [(identity, json.dumps(value).encode())],
        source="Walk-in Clinic",
        as_of=None,
        other_patient_ok=False,
        progress=silent,
    )


def _stranger(stage: Stage, cast: Cast) -> None:
    stage.scene("A stranger verifies it offline, with the genesis file and a proof file alone")
    kinds = (("entry", cast.note_entry), ("revocation", cast.grant), ("licence", PHYSICIAN))
    for kind, subject in kinds:
        proof = cast.home / f"{kind}.proof"
        proof.write_bytes(proving.prove(cast.agent, PATIENT, kind, subject))
        stage.claim(f"the proof of the {kind} verifies in a clean process", _verify(cast, proof) == 0)
    forged = bytearray((cast.home / "entry.proof").read_bytes())
    forged[len(forged) // 2] ^= 1
    (cast.home / "forged.proof").write_bytes(forged)
    stage.claim("with one flipped bit it does not", _verify(cast, cast.home / "forged.proof") == 1)


def _verify(cast: Cast, proof: Path) -> int:
    command = [sys.executable, "-m", "salus", "verify", "--proof", str(proof), "--genesis", str(cast.home / "genesis.bin")]
    return subprocess.run(command, cwd=cast.home, capture_output=True, check=False).returncode


def _node_reads_nothing(stage: Stage, cast: Cast) -> None:
    stage.scene("And the node, which keeps all of it, can read none of it")
    stored = b"".join(path.read_bytes() for path in (cast.home / "node").rglob("*") if path.is_file())
    words = [b"Kreiger", b"1984-07-02", b"Observation", b"check-up", PHYSICIAN.encode(), pharmacy.DRUG.encode()]
    stage.claim(
        f"{len(stored):,} bytes in the node's folder; no name, birth date, finding or drug among them",
        bool(stored) and not any(word in stored for word in words),
    )


SCENES = (
    *(_wallets, _import, _beside, _refused, _granted, _note, _who_read, _withdrawn, _family, _employee),
    *pharmacy.SCENES,
    *visit.SCENES,
    *laboratory.SCENES,
    _stranger,
)
