"""Every flow of the product, told in canaries: names, labels, sources, notes, words that are looked for, whole records."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from canary_records import Filler, bundle, lines
from canary_world import VERBOSE, CanaryWorld

Flow = Callable[[CanaryWorld], None]
FLOWS: list[Flow] = []
WORDS = "words that are looked for"


def flow(play: Flow) -> Flow:
    """A flow, played in the order in which they stand here."""
    FLOWS.append(play)
    return play


def play_all(world: CanaryWorld) -> None:
    """Play them all, each under its name."""
    for play in FLOWS:
        world.flow = play.__name__
        play(world)


def name(world: CanaryWorld, who: str) -> str:
    """What somebody is called."""
    return world.book(f"name of the {who}")


def card(world: CanaryWorld, home: str, who: str) -> Path:
    """Somebody's card as a file."""
    shown = world.run(home, "contact", "show", name(world, who))
    return world.file(f"{who}.card", shown.document["card"])


def meet(world: CanaryWorld, home: str, other: str, who: str) -> None:
    """Take the card of ``who``, who lives in ``other``, in."""
    world.run(home, "contact", "add", card(world, other, who))


def inbox(world: CanaryWorld, home: str, who: str) -> None:
    """Read the letters."""
    world.run(home, "inbox", "--as", name(world, who))


def guest(world: CanaryWorld, home: str, *nodes: str) -> None:
    """A home without a node, by invitations to these members' nodes."""
    words: list[str] = []
    for node in nodes:
        code = world.run(node, "node", "invite").document["code"]
        words += ["--node", world.recorders[node].address, "--invite", code]
    world.run(home, "init", *words, "--genesis", world.home("hospital") / "genesis.bin")


@flow
def two_members_found_a_network(world: CanaryWorld) -> None:
    before_hospital, before_clinic = world.recorder("hospital"), world.recorder("clinic")
    file = world.file("clinic.member", b"")
    file.unlink()
    world.run("clinic", "node", "prepare", "--member", name(world, "clinic"), "--out", file)
    world.run("hospital", "init", "--member", name(world, "hospital"), "--with", file)
    (world.home("hospital") / "node" / "config.toml").write_text(f'{VERBOSE}address = "{before_hospital.address}"\n')
    world.serve("hospital", "--node-only")
    genesis = world.home("hospital") / "genesis.bin"
    where = ("--node", before_hospital.address, "--address", before_clinic.address)
    world.run("clinic", "node", "join", "--genesis", genesis, *where)
    config = world.home("clinic") / "node" / "config.toml"
    config.write_text(config.read_text() + VERBOSE + "follow_seconds = 0.2\n")
    world.serve("clinic")
    for home in ("hospital", "clinic"):
        world.run(home, "node", "status")


@flow
def people_get_wallets_licences_and_cards(world: CanaryWorld) -> None:
    guest(world, "patient", "clinic", "hospital")
    for home in ("practice", "locum"):
        guest(world, home, "hospital")
    (world.home("practice") / "agent" / "outbox.toml").write_text("shortest_hours = 0\nlongest_hours = 0\n")
    world.run("patient", "person", "add", name(world, "patient"))
    world.run("hospital", "person", "add", name(world, "physician"), "--role", "physician")
    world.run("practice", "person", "add", name(world, "practice"), "--role", "organisation")
    for home, who, role in (
        ("practice", "nurse", "nurse"),
        ("practice", "partner", "physician"),
        ("locum", "locum", "physician"),
    ):
        world.run(home, "person", "add", name(world, who), "--role", role)
        world.run("hospital", "licence", "issue", card(world, home, who), "--role", role)
        inbox(world, home, who)
    world.run("practice", "person", "add", name(world, "receptionist"))
    for act in ("show", "suspend", "reinstate"):
        world.run("hospital", "licence", act, name(world, "physician"))
    meet(world, "hospital", "patient", "patient")
    meet(world, "patient", "practice", "practice")
    meet(world, "practice", "locum", "locum")
    for home in ("patient", "hospital", "practice"):
        world.run(home, "person", "list")
        world.run(home, "contact", "list")


@flow
def a_card_by_reference_and_as_a_code(world: CanaryWorld) -> None:
    shown = world.run("hospital", "contact", "show", name(world, "physician"), "--ref").document
    world.show("hospital", "contact", "show", name(world, "physician"), "--qr")
    world.run("patient", "contact", "add", world.file("reference.txt", shown["reference"]))


@flow
def a_record_is_imported(world: CanaryWorld) -> None:
    as_json = world.file("record.json", bundle(world.book, "JSON"))
    as_lines = world.file("record.ndjson", lines(world.book, "NDJSON"))
    source = ("--as", name(world, "patient"), "--source", world.book("source of the import"))
    assert world.run("patient", "import", as_json, *source).document["new"] == 16
    world.run("patient", "import", as_lines, *source, "--as-of", "2024-01-01")
    world.run("patient", "import", "-", *source, given=as_json.read_bytes())
    added = Filler(world.book, "added by the patient").resources()[4]
    world.run("patient", "record", "add", world.file("allergy.json", added), "--as", name(world, "patient"))
    said = (
        "--payer",
        world.book("payer"),
        "--number",
        world.book("number at the payer"),
        "--plan",
        world.book("plan of the payer"),
    )
    world.run("patient", "record", "coverage", *said, "--to", "2030-12-31", "--as", name(world, "patient"))
    world.show("patient", "chart", "--as", name(world, "patient"))
    world.run("patient", "chart", "--as", name(world, "patient"), "--type", "Observation")
    world.show("patient", "chart", "--as", name(world, "patient"), "--format", "fhir")
    world.run("patient", "history", f"Patient/{world.book('JSON: Patient.id')}", "--as", name(world, "patient"))
    world.run("patient", "verify", "--as", name(world, "patient"))


@flow
def grants_of_every_kind(world: CanaryWorld) -> None:
    who = ("--as", name(world, "patient"), "--to", name(world, "physician"))
    made = world.run("patient", "grant", *who, "--section", "problems", "--section", "results", "--for", "72h")
    world.extra["snapshot"] = made.document["grants"][0]["grant"]
    made = world.run("patient", "grant", *who, "--section", "vitals", "--standing", "--for", "30d", "--purpose", "TREAT")
    world.extra["standing"] = made.document["grants"][0]["grant"]
    both = ("--right", "read", "--right", "append")
    world.run("patient", "grant", *who, "--section", "documents", *both, "--standing", "--from-now-on", "--for", "30d")
    inbox(world, "hospital", "physician")
    world.run("hospital", "patients", "--as", name(world, "physician"))
    world.run("patient", "access", "--as", name(world, "patient"))


@flow
def read_written_amended_and_withdrawn(world: CanaryWorld) -> None:
    who = ("--as", name(world, "physician"), "--of", name(world, "patient"))
    world.run("hospital", "chart", *who)
    world.show("hospital", "chart", *who)
    note = world.run("hospital", "note", world.file("note.txt", world.book("text of the note")), *who).document["entry"]
    amended = world.file("amended.txt", world.book("text of the amendment"))
    second = world.run("hospital", "note", amended, *who, "--amends", note).document["entry"]
    world.run("hospital", "note", *who, "--entered-in-error", second)
    written = Filler(world.book, "written by the physician").resources()[13]
    world.extra["note"] = world.run("hospital", "note", world.file("note.json", written), *who).document["entry"]
    inbox(world, "patient", "patient")
    world.run("patient", "receipts", "--as", name(world, "patient"))
    world.run("hospital", "retained", "--as", name(world, "hospital"))


@flow
def an_organisation_its_staff_and_a_locum(world: CanaryWorld) -> None:
    for who, duty in (("nurse", "nurse"), ("partner", "physician"), ("receptionist", "reception")):
        world.run("practice", "staff", "add", name(world, who), "--duty", duty)
    to = ("--as", name(world, "patient"), "--to", name(world, "practice"))
    made = world.run("patient", "grant", *to, "--section", "vitals", "--section", "coverage", "--standing", "--for", "52w")
    world.run("patient", "grant", *to, "--section", "documents", "--right", "append", "--for", "52w")
    inbox(world, "practice", "practice")
    of = ("--of", name(world, "patient"))
    for who in ("nurse", "receptionist"):
        world.run("practice", "chart", *of, "--as", name(world, who))
    note = world.file("staff note.txt", world.book("text of the staff's note"))
    world.run("practice", "note", note, *of, "--as", name(world, "partner"))
    world.run("practice", "retained", "--as", name(world, "practice"))
    passed_on = ("--as", name(world, "practice"), "--to", name(world, "locum"), "--for", "8h")
    passed = world.run("practice", "delegate", made.document["grants"][0]["grant"], *passed_on).document["grant"]
    inbox(world, "locum", "locum")
    world.run("locum", "chart", *of, "--as", name(world, "locum"))
    world.run("practice", "revoke", passed, "--as", name(world, "practice"))
    world.run("locum", "chart", *of, "--as", name(world, "locum"), code="warrants/revoked")
    world.run("practice", "staff", "dismiss", name(world, "nurse"))
    world.run("practice", "staff", "list")
    world.run("practice", "chart", *of, "--as", name(world, "nurse"), code="agent/no-grant")
    world.run("patient", "receipts", "--as", name(world, "patient"))


@flow
def prescribed_and_dispensed(world: CanaryWorld) -> None:
    world.run("practice", "person", "add", name(world, "pharmacist"), "--role", "pharmacist")
    world.run("hospital", "licence", "issue", card(world, "practice", "pharmacist"), "--role", "pharmacist")
    inbox(world, "practice", "pharmacist")
    meet(world, "patient", "practice", "pharmacist")
    who, doctor, at = (("--as", name(world, one)) for one in ("patient", "physician", "pharmacist"))
    of = ("--of", name(world, "patient"), "--born", world.book.other("born, as prescribed", "1743-08-27"))
    words = ("--drug", world.book("drug that is prescribed"), "--dose", world.book("dose that is prescribed"))
    told = ("--quantity", world.book("quantity dispensed"), "--batch", world.book("batch dispensed"))
    rx = world.run("hospital", "rx", "issue", *words, *of, *doctor).document["prescription"]
    inbox(world, "patient", "patient")
    for act in ("list", "show", "code", "qr"):
        world.show("patient", "rx", act, *([] if act == "list" else [rx]), *who)
    world.run("patient", "rx", "qr", rx, *who, "--png", world.file("code.png", b""), "--svg", world.file("code.svg", b""))
    world.run("patient", "rx", "rotate", rx, *who)
    code = world.file("prescription.txt", world.run("patient", "rx", "code", rx, *who).document["code"])
    world.run("practice", "rx", "open", code, *at)
    world.run("practice", "rx", "accept", rx, *at)
    world.run("practice", "rx", "dispense", rx, *at, "--share", "400", *told)
    world.run("practice", "rx", "undo", rx, *at)
    world.run("hospital", "rx", "cancel", rx, *doctor, code="ledger/is-accepted")
    world.run("hospital", "rx", "stop", rx, *doctor)
    world.run("practice", "rx", "dispense", rx, *at, *told, code="ledger/is-on-hold")
    world.run("practice", "rx", "acknowledge", rx, *at)
    rx = world.run("hospital", "rx", "issue", *words, *of, *doctor).document["prescription"]
    inbox(world, "patient", "patient")
    world.run("patient", "rx", "send", rx, *who, "--to", name(world, "pharmacist"))
    inbox(world, "practice", "pharmacist")
    world.run("practice", "rx", "accept", rx, *at)
    world.run("hospital", "rx", "free", rx, *doctor)
    world.run("practice", "rx", "accept", rx, *at)
    world.run("practice", "rx", "return", rx, *at, "--reason", "unclear")
    world.run("patient", "rx", "delete", rx, *who)
    world.run("hospital", "rx", "list", *doctor)
    world.run("practice", "rx", "list", *at)
    inbox(world, "patient", "patient")
    world.run("patient", "chart", *who, "--type", "MedicationDispense")


@flow
def words_about_a_prescription(world: CanaryWorld) -> None:
    who, doctor, at = (("--as", name(world, one)) for one in ("patient", "physician", "pharmacist"))
    world.run("hospital", "directory", "publish", *doctor)
    words = ("--drug", world.book("drug that is asked about"), "--dose", world.book("dose that is asked about"))
    rx = world.run("hospital", "rx", "issue", *words, "--of", name(world, "patient"), *doctor).document["prescription"]
    inbox(world, "patient", "patient")
    world.run("patient", "rx", "print", rx, *who, "--pdf", world.file("sheet.pdf", b""))
    code = world.file("asked.txt", world.run("patient", "rx", "code", rx, *who).document["code"])
    world.run("practice", "rx", "open", code, *at)
    handed = ("--quantity", world.book("quantity in no outage"), "--batch", world.book("batch in no outage"))
    world.run("practice", "rx", "supply", code, *at, *handed, code="agent/not-an-outage")
    world.run("practice", "rx", "accept", rx, *at)
    world.run("practice", "rx", "ask", rx, *at, "--text", world.book("question of a pharmacist"))
    world.run("patient", "rx", "renew", rx, *who, "--text", world.book("wish for another one"))
    inbox(world, "hospital", "physician")
    world.run("hospital", "rx", "list", *doctor)
    world.run("hospital", "rx", "answer", rx, *doctor, "--text", world.book("answer of a prescriber"))
    world.run("practice", "rx", "dispense", rx, *at, "--product", world.book("product in its place"))
    world.run("practice", "rx", "close", rx, *at, "--out", world.file("fill.proof", b""))
    world.run("hospital", "rx", "stop", rx, *doctor, "--text", world.book("reason of a stop"))
    for home, one in (("patient", "patient"), ("practice", "pharmacist")):
        inbox(world, home, one)


@flow
def an_appointment_is_booked_moved_waited_for_and_kept(world: CanaryWorld) -> None:
    who, doctor = (("--as", name(world, one)) for one in ("patient", "physician"))
    every = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00", "length": 60}
    service, place = (world.book(f"listed {what} of the physician's hours") for what in ("service", "place"))
    hours = {"name": service, "place": place, "zone": "Europe/Zurich", "lead": "0m", "horizon": "9d", "rules": [every]}
    world.run("hospital", "hours", "publish", world.file("hours.json", json.dumps(hours)), *doctor)
    wait_until(lambda: world.run("patient", "slots", "find", "--specialty", service, "--limit", "4").document["slots"])
    free = [one["slot"] for one in world.run("patient", "slots", "find", "--specialty", service).document["slots"]]
    why = ("--reason", world.book("reason of the appointment"), "--phone", world.book("number for calling back"))
    born = ("--born", world.book.other("born, as booked", "1743-08-29"))
    world.run("patient", "appt", "hold", free[2], *who)
    made = world.run("patient", "appt", "book", free[2], *why, *born, *who, "--share", "summary").document
    named = made["appointment"]["appointment"]
    inbox(world, "hospital", "physician")
    world.run("hospital", "appt", "today", *doctor)
    world.run("patient", "appt", "move", named, free[3], *who)
    world.run("patient", "appt", "wait", free[4], *who)
    world.show("patient", "appt", "list", *who)
    world.run("hospital", "appt", "check-in", named, *doctor)
    world.run("hospital", "appt", "done", named, *doctor)
    number = ("--number", world.book("number of the patient at the practice"))
    world.run("hospital", "link", name(world, "patient"), *number, *born, *doctor)
    world.run("hospital", "links", *doctor)
    inbox(world, "patient", "patient")
    world.run("patient", "links", *who)
    caller = ("--for", world.book("name of the caller"), "--reason", world.book("reason of the caller"))
    world.run("hospital", "appt", "book", free[5], *doctor, *caller, "--contact", name(world, "patient"))
    inbox(world, "patient", "patient")
    told = world.book("what is told of the day that is cancelled")
    world.run("hospital", "appt", "cancel-day", *doctor, "--words", told)
    inbox(world, "patient", "patient")


@flow
def ordered_and_reported(world: CanaryWorld) -> None:
    for home, who, role in (("practice", "laboratory", "laboratory"), ("hospital", "cover", "physician")):
        world.run(home, "person", "add", name(world, who), "--role", role)
        world.run("hospital", "licence", "issue", card(world, home, who), "--role", role)
        inbox(world, home, who)
    meet(world, "hospital", "practice", "laboratory")
    me, doctor, lab = (("--as", name(world, one)) for one in ("patient", "physician", "laboratory"))
    born, number = world.book.other("born, as ordered", "1744-09-28"), world.book("number of the patient at the laboratory")
    words = ("--what", world.book("test that is ordered"), "--test", "2823-3", "--number", number, "--born", born)
    people = ("--of", name(world, "patient"), "--to", name(world, "laboratory"), "--cover", name(world, "cover"), *doctor)
    come = ("--patient", name(world, "patient"), "--born", born, "--specimen", world.book("specimen that is collected"))
    accession = ("--accession", world.book("accession number"))
    world.run("patient", "results", "preferences", "laboratory=after-physician", *me)

    def ordered(*more: str) -> str:
        order = str(world.run("hospital", "order", "create", *words, *people, *more).document["order"])
        for home, who in (("patient", "patient"), ("practice", "laboratory")):
            inbox(world, home, who)
        world.run("practice", "order", "accept", order, *lab)
        return order

    order = ordered()
    world.run("practice", "order", "collect", order, *lab, "--patient", name(world, "physician"), code="agent/wrong-patient")
    world.run("practice", "order", "collect", order, *lab, *come, *accession)
    world.run("practice", "order", "reject-specimen", order, *lab, "--reason", "clotted")
    world.run("practice", "order", "collect", order, *lab, *come, *accession)
    told = world.file("report.json", report(world.book("value that is reported")))
    world.run("practice", "order", "report", order, told, *lab, "--within", "1h")
    world.run("practice", "order", "correct", order, told, *lab)
    inbox(world, "hospital", "physician")
    world.run("hospital", "results", "acknowledge", order, *doctor)
    world.run("hospital", "results", "release", order, *doctor)
    inbox(world, "patient", "patient")
    world.show("patient", "results", *me)
    world.run("patient", "results", *me, "--trend", "2823-3", code="agent/no-such-result")
    world.run("patient", "order", "withdraw", ordered("--confidential", "--adds-to", order), *me)
    world.run("practice", "order", "reject", ordered(), *lab, "--reason", "no-capacity")
    world.run("hospital", "order", "cancel", order, *doctor, code="ledger/is-completed")
    for home, who in (("patient", me), ("hospital", doctor), ("practice", lab)):
        world.run(home, "order", "list", *who)
        for more in ((), ("--fhir",)):
            world.show(home, "order", "show", order, *who, *more)


def report(value: str) -> str:
    """A laboratory's report, of a value in words."""
    said = {"code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}]}, "valueString": value}
    observation = {"resourceType": "Observation", "id": "o", "status": "final", **said}
    made = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "one value"}, "contained": [observation]}
    return json.dumps(made | {"result": [{"reference": "#o"}]})


@flow
def found_in_the_directory(world: CanaryWorld) -> None:
    for who in ("physician", "partner"):
        about = [
            word
            for kind in ("specialty", "telecom", "place")
            for word in (f"--{kind}", world.book(f"listed {kind} of the {who}"))
        ]
        home = "hospital" if who == "physician" else "practice"
        world.run(home, "directory", "publish", "--as", name(world, who), "--language", "de", *about)
    words = world.book("listed specialty of the partner")
    wait_until(lambda: world.run("patient", "directory", "find", words).document["listings"])
    world.run("patient", "directory", "find", words, "--add")
    world.run("patient", "directory", "find", world.book("listed place of the physician"), name(world, "physician"))
    world.run("patient", "directory", "find", world.book(WORDS))
    world.run("practice", "directory", "publish", "--as", name(world, "partner"), "--withdraw")


@flow
def a_second_device_comes_and_goes(world: CanaryWorld) -> None:
    guest(world, "phone", "hospital")
    label, who = world.book("label of the device"), ("--as", name(world, "patient"))
    file = world.file("pairing.txt", b"")
    file.unlink()
    code = world.run("patient", "device", "add", label, *who, "--out", file).document["code"]
    world.run("phone", "device", "join", file, "--code-file", world.file("code.txt", code))
    world.run("phone", "chart", *who)
    world.run("patient", "device", "list", *who)
    world.run("patient", "device", "remove", label, *who)
    world.run("phone", "access", *who, code="agent/device-taken-off")


@flow
def erased(world: CanaryWorld) -> None:
    who = ("--as", name(world, "patient"))
    world.run("patient", "erase", f"Condition/{world.book('JSON: Condition[1].id')}", *who)
    world.run("patient", "verify", *who)


@flow
def proven_to_strangers(world: CanaryWorld) -> None:
    who = ("--as", name(world, "patient"))
    snapshot = world.extra["snapshot"]
    proofs = [("absence", snapshot), ("entry", world.extra["note"]), ("revocation", snapshot)]
    for kind, identity in proofs:
        if kind == "revocation":
            world.run("patient", "revoke", snapshot, *who)
            world.run("patient", "revoke", "--reader", name(world, "physician"), *who)
        file = world.folder / "backups" / f"{kind}.proof"
        world.run("patient", "prove", kind, identity, *who, "--out", file)
        genesis = world.home("hospital") / "genesis.bin"
        world.run("nowhere", "verify", "--proof", file, "--genesis", genesis)
    licence = world.folder / "backups" / "licence.proof"
    world.run("hospital", "prove", "licence", name(world, "physician"), "--out", licence)
    world.run("hospital", "chart", "--of", name(world, "patient"), "--as", name(world, "physician"), code="warrants/revoked")


@flow
def exported_and_imported(world: CanaryWorld) -> None:
    who, secret = ("--as", name(world, "patient")), world.file("passphrase.txt", world.book("passphrase of the export"))
    file = world.folder / "backups" / "patient.export"
    by = ("--export-passphrase-file", secret)
    world.run("patient", "export", *who, "--out", file, *by)
    plain = world.file("chart.json", b"")
    plain.unlink()
    world.run("patient", "export", *who, "--out", plain, "--fhir-only")
    world.run("nowhere", "person", "import", file, "--check", *by)
    guest(world, "abroad", "clinic")
    world.run("abroad", "person", "import", file, "--name", world.book("name in another home"), *by)
    world.run("abroad", "chart", "--as", world.book("name in another home"))


@flow
def a_home_under_a_passphrase(world: CanaryWorld) -> None:
    secret = str(world.file("home.txt", world.book("passphrase of the home")))
    code = world.run("hospital", "node", "invite").document["code"]
    where = ("--node", world.recorders["hospital"].address, "--genesis", world.home("hospital") / "genesis.bin")
    world.run("locked", "init", "--with-passphrase", *where, "--invite", code, SALUS_PASSPHRASE_FILE=secret)
    world.run("locked", "person", "add", name(world, "careful one"), SALUS_PASSPHRASE_FILE=secret)


@flow
def moved_and_recovered(world: CanaryWorld) -> None:
    code = world.run("hospital", "node", "invite").document["code"]
    world.run("patient", "person", "move", "--to", world.recorders["hospital"].address, "--invite", code)
    cold = world.home("patient") / "cold" / f"{name(world, 'patient')}.cold"
    guest(world, "rescue", "hospital")
    world.run("rescue", "person", "recover", "--cold", cold)
    world.run("rescue", "chart", "--as", name(world, "patient"))
    world.run("rescue", "verify", "--as", name(world, "patient"))
    world.run("rescue", "person", "recover", "--cold", cold, code="agent/cold-file-spent")


@flow
def the_operators_round(world: CanaryWorld) -> None:
    for home in ("hospital", "clinic"):
        wait_for_the_follower(world)
        for words in (["node", "blocks"], ["node", "check"], ["node", "scrub"], ["node", "guests"]):
            world.run(home, *words)
        world.run(home, "node", "backup", "--out", world.folder / "backups" / home, "--with-key")
    world.run("hospital", "node", "backup", "--out", world.folder / "backups" / "hospital.tar")
    known = world.run("hospital", "node", "guests").document["guests"]
    guest(world, "unwelcome", "hospital")
    (new,) = [row for row in world.run("hospital", "node", "guests").document["guests"] if row not in known]
    world.run("hospital", "node", "guests", "--remove", new["guest"])
    node = world.nodes["hospital"]
    port = int(node.host.rpartition(":")[2])
    world.extra["memory"] = b"\0".join(node.memory())
    node.end()
    world.run("hospital", "node", "backup", "--out", world.folder / "backups" / "at rest")
    world.run("hospital", "node", "restore", world.folder / "backups" / "at rest", "--replace")
    world.serve("hospital", "--node-only", port=port)


def wait_for_the_follower(world: CanaryWorld) -> None:
    """Until the clinic's node has what the hospital's has."""
    heights = lambda: {world.run(home, "node", "status").document["height"] for home in world.nodes}  # noqa: E731
    wait_until(lambda: len(heights()) == 1 and world.show("clinic", "node", "scrub").status == 0)


def wait_until(so: Callable[[], object]) -> None:
    """Until it is so: at most half a minute."""
    deadline = time.monotonic() + 30
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
