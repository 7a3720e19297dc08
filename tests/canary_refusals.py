"""What the command line refuses: wrong files, wrong passphrases, unknown names, each with canaries in whatever it was given."""

from __future__ import annotations

import json
from typing import Any

from canary_flows import WORDS, inbox, meet, name
from canary_records import Filler, bundle
from canary_world import CanaryWorld


def refuse_all(world: CanaryWorld) -> None:
    """Every one of them, as text and as JSON."""
    world.flow = "refused: before"
    meet(world, "rescue", "hospital", "physician")
    to = ("--as", name(world, "patient"), "--to", name(world, "physician"))
    world.run("rescue", "grant", *to, "--section", "documents", "--right", "append")
    inbox(world, "hospital", "physician")
    for play in (bad_files, bad_records, bad_secrets, unknown_names, misused, nodes_that_are_none):
        world.flow = f"refused: {play.__name__}"
        play(world)


def bad_files(world: CanaryWorld) -> None:
    book, who = world.book, ("--as", world.book("name of the patient"))
    whole = json.dumps(bundle(book, "refused file"))
    nested = '{"a":' * 70 + f'"{book("too deep")}"' + "}" * 70
    twice = f'{{"resourceType": "Patient", "{book("a key twice")}": 1, "{book("a key twice")}": 2}}'
    other = {"resourceType": "Patient", "birthDate": "1755-01-02", "name": [{"family": book("another's name")}]}
    files: dict[str, bytes] = {
        "cut": whole[:-40].encode(),
        "deep": nested.encode(),
        "twice": twice.encode(),
        "latin": f'{{"resourceType": "Patient", "id": "{book("latin")} ü"}}'.encode("latin-1"),
        "mark": b"\xef\xbb\xbf" + whole.encode(),
        "none": f'{{"resourceType": "{book("a type of its own")}"}}'.encode(),
        "list": f'["{book("a list")}"]'.encode(),
        "text": book("a text").encode(),
        "nan": f'{{"resourceType": "Patient", "id": "{book("nan")}", "a": NaN}}'.encode(),
        "entries": json.dumps({"resourceType": "Bundle", "entry": [{"resource": book("no resource")}]}).encode(),
        "entry": json.dumps({"resourceType": "Bundle", "entry": book("no entries")}).encode(),
        "url": json.dumps({"resourceType": "Bundle", "entry": [{"fullUrl": {"a": book("no url")}, "resource": {}}]}).encode(),
        "surrogate": f'{{"resourceType": "Patient", "id": "{book("surrogate")}\\ud800"}}'.encode(),
        "other": json.dumps(other).encode(),
        "lines": f'{{"resourceType": "Patient"}}\n{{"{book("a line")}": }}\n'.encode(),
        "large": json.dumps({"resourceType": "Patient", "id": book("too large")}).encode() + b" " * (64 << 20),
    }
    for kind, data in files.items():
        file = world.file(f"{kind}.json", data)
        world.refused("rescue", "import", file, *who)
        if kind != "large":
            world.refused("rescue", "import", "-", *who, given=data)
        file.unlink()
    for words in (
        ["contact", "add"],
        ["device", "join"],
        ["person", "recover", "--cold"],
        ["licence", "issue", "--role", "nurse"],
    ):
        more = ["--code-file", world.file("false code.txt", book("a code"))] if "join" in words else []
        for kind, data in (
            ("no card", whole),
            ("text", book("no card at all")),
            ("line", f"salus-card-1:{book('a false card')}"),
        ):
            world.refused("rescue", *words, world.file(f"{kind}.txt", data), *more)
    world.refused(
        "nowhere", "verify", "--proof", world.file("no.proof", whole), "--genesis", world.home("hospital") / "genesis.bin"
    )
    world.refused("new", "init", "--with", world.file("no.member", book("no member")))
    for verb in (["import"], ["contact", "add"], ["note", "--of", book("name of the patient")], ["record", "add"]):
        tail = [] if verb[0] == "contact" else [*who]
        world.refused("rescue", *verb, world.folder / "desk" / book("a file that is not there"), *tail)


def bad_records(world: CanaryWorld) -> None:
    """Authored resources are held to the standard; the refusal says where, and not what."""
    book, who = world.book, ("--as", world.book("name of the patient"))
    good = Filler(book, "refused record").resources()
    condition: dict[str, Any] = good[1]
    spoilt: list[dict[str, Any]] = [
        good[-1],
        {**condition, book("an unknown key"): book("its value")},
        {**condition, "clinicalStatus": {"coding": [{"system": "urn:x", "code": book("a code not bound")}]}},
        {**condition, "subject": book("no object")},
        {**condition, "onsetDateTime": book("no date")},
        {**condition, "onsetAge": {"value": book("no number")}},
        {**condition, "stage": [{book("an unknown key below"): 1}]},
        {**condition, "id": book("no id") + " !"},
        {**condition, "text": {"status": book("no status"), "div": f"<script>{book('a script')}</script>"}},
        {**condition, "subject": {"reference": f"Medication/{book('a wrong target')}"}},
        {**condition, "contained": [{"resourceType": book("no type"), "id": "1"}]},
        {**condition, "extension": [{"valueString": book("no url")}]},
        {"resourceType": "Nonesuch", "id": book("id of no type")},
        {**good[0], "gender": book("no gender"), "birthDate": book("no birth date")},
    ]
    for number, resource in enumerate(spoilt):
        file = world.file(f"spoilt {number}.json", resource)
        world.refused("rescue", "record", "add", file, *who)
        world.refused("hospital", "note", file, "--of", book("name of the patient"), "--as", book("name of the physician"))
    entries = [{"resource": resource} for resource in spoilt]
    all_of_them = world.file("spoilt.json", {"resourceType": "Bundle", "type": "collection", "entry": entries})
    world.run("rescue", "import", all_of_them, *who, "--source", book("a source of spoilt records"), "--allow-other-patient")
    world.show("rescue", "history", f"Condition/{condition['id']}", *who)


def bad_secrets(world: CanaryWorld) -> None:
    book = world.book
    wrong = str(world.file("wrong.txt", book("a wrong passphrase")))
    world.refused("locked", "person", "list", SALUS_PASSPHRASE_FILE=wrong)
    world.refused("locked", "person", "list")
    world.refused("locked", "person", "list", SALUS_PASSPHRASE_FILE=str(world.folder / book("no passphrase file")))
    export = world.folder / "backups" / "patient.export"
    world.refused("abroad", "person", "import", export, "--check", "--export-passphrase-file", wrong)
    world.refused("abroad", "person", "import", world.file("no.export", book("no export")), "--export-passphrase-file", wrong)
    cut = world.file("cut.export", export.read_bytes()[:-50])
    right = world.folder / "desk" / f"{book('file name of passphrase')}.txt"
    world.refused("abroad", "person", "import", cut, "--export-passphrase-file", right)


def unknown_names(world: CanaryWorld) -> None:
    book = world.book
    patient, physician = book("name of the patient"), book("name of the physician")
    nobody = book("name of nobody")
    note = world.file("unknown.txt", book("text of a refused note"))
    for words in (
        ["chart", "--as", nobody],
        ["chart", "--as", patient, "--of", nobody],
        ["grant", "--as", patient, "--to", nobody],
        ["grant", "--as", nobody, "--to", physician],
        ["revoke", nobody, "--as", patient],
        ["revoke", "--reader", nobody, "--as", patient],
        ["access", "--as", patient, "--reader", nobody],
        ["history", f"Patient/{nobody}", "--as", patient],
        ["erase", f"Condition/{nobody}", "--as", patient],
        ["receipts", "--as", nobody],
        ["inbox", "--as", nobody],
        ["patients", "--as", nobody],
        ["note", note, "--of", nobody, "--as", patient],
        ["note", note, "--of", patient, "--as", nobody],
        ["note", note, "--of", patient, "--as", patient, "--amends", nobody],
        ["note", "--of", patient, "--as", patient, "--entered-in-error", nobody],
        ["delegate", nobody, "--as", patient, "--to", physician],
        ["device", "remove", nobody, "--as", patient],
        ["device", "list", "--as", nobody],
        ["person", "add", patient],
        ["person", "add", f"{nobody}\u202e"],
        ["person", "add", nobody * 20],
        ["contact", "show", nobody],
        ["licence", "show", nobody],
        ["licence", "suspend", nobody],
        ["staff", "add", nobody, "--duty", "nurse"],
        ["staff", "dismiss", nobody],
        ["directory", "publish", "--as", nobody],
        ["directory", "publish", "--as", patient, "--place", book("place of a refused listing")],
        ["directory", "find", "!", "--add"],
        ["directory", "find", book(WORDS), "--add"],
        ["prove", "entry", nobody, "--as", patient],
        ["prove", "licence", nobody],
        ["prove", "revocation", nobody, "--as", patient],
        ["export", "--as", nobody, "--out", world.folder / "tmp" / "x", "--export-passphrase-file", note],
        ["verify", "--as", nobody],
        ["retained", "--as", nobody],
    ):
        world.refused("rescue", *words)


def misused(world: CanaryWorld) -> None:
    book = world.book
    who, typed = ("--as", book("name of the patient")), book("a word that is none")
    for words in (
        [typed],
        ["chart", f"--{typed}"],
        ["chart", *who, "--since", typed],
        ["chart", *who, "--section", typed],
        ["grant", *who, "--to", "x", "--for", typed],
        ["grant", *who, "--to", "x", "--right", typed],
        ["grant", *who, "--to", "x", "--purpose", typed],
        ["person", "add", "x", "--role", typed],
        ["staff", "add", "x", "--duty", typed],
        ["prove", typed, "x"],
        ["serve", "--port", typed],
        ["directory", "publish", *who, "--language", typed],
        ["node", "invite", "--for", typed],
        ["init", "--node", typed],
        ["export", *who, "--out", world.folder / typed / typed, "--export-passphrase-file", world.folder / typed],
    ):
        world.refused("rescue", *words)


def nodes_that_are_none(world: CanaryWorld) -> None:
    book = world.book
    genesis, typed = world.home("hospital") / "genesis.bin", book("a node that is none")
    for words in (
        ["init", "--node", f"http://{typed}.invalid", "--genesis", genesis],
        ["init", "--node", f"ftp://{typed}", "--genesis", genesis],
        ["init", "--node", "http://127.0.0.1:9", "--genesis", world.file("no.genesis", book("no genesis"))],
        ["init", "--node", "http://127.0.0.1:9", "--genesis", genesis, "--invite", f"salus-invite-1:{typed}"],
        ["init", "--node", "http://127.0.0.1:9", "--genesis", genesis, "--invite", typed],
    ):
        world.refused("new", *words)
    world.refused("rescue", "person", "move", "--to", f"http://{typed}.invalid")
    world.refused("hospital", "node", "restore", world.folder / typed)
    world.refused("hospital", "node", "guests", "--remove", typed)
    world.refused("hospital", "node", "backup", "--out", world.folder / typed / typed)
