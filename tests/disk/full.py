"""Commands on a disk that refuses, run behind the shim: prints a line of JSON for each that did not end as it must.

``full.py FOLDER SHARE``: the disk is FOLDER/disk; of each command's changes, one in SHARE is where the disk begins to refuse.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from disk.shim import changes, fail
from salus.cli.app import main

KINDS = (errno.ENOSPC, errno.EROFS, errno.EIO)
EXITS = {"": 0, "node/storage-failed": 1, "cli/cannot-write": 2}
CATEGORY = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}


def vital(number: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": number, "status": "final", "category": [CATEGORY], "code": {"text": "Pulse"}}


def bundle(*resources: dict[str, Any]) -> str:
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]})


@dataclass
class Done:
    """How a command ended."""

    exit: int
    out: str
    err: str

    @property
    def code(self) -> str:
        """The code of what it says went wrong; "" where nothing did, and a text that is no code where it says it wrongly."""
        lines = self.err.strip().splitlines()
        if self.exit == 0:
            return ""
        return lines[0].partition(": ")[2].partition(":")[0] if len(lines) == 1 else self.err


def run(home: Path, *words: object, expect: set[str] | None = None) -> Done:
    """A command of the command line, in this process; ``expect``: the codes that it may end with."""
    folder = home.parents[2]  # beside the disk
    os.environ["SALUS_HOME"], sys.argv = str(home), ["salus", *map(str, words)]
    kept = [os.dup(number) for number in (1, 2)]
    for number, name in ((1, "out"), (2, "err")):
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    status: object = 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code or 0
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        print("Traceback", repr(error), file=sys.stderr)
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, handle in zip((1, 2), kept, strict=True):
            os.dup2(handle, number)
            os.close(handle)
    done = Done(int(str(status)), (folder / "out").read_text(), (folder / "err").read_text())
    if expect is not None and done.code not in expect:
        raise AssertionError(f"{' '.join(sys.argv[:4])}: {done.exit} {done.err.strip()}")
    return done


def shown(home: Path, who: str = "Ana", *words: str) -> list[str]:
    """The resources of a chart."""
    done = run(home, "chart", "--as", who, "--json", *words, expect={""})
    value = json.loads(done.out)
    assert (value["unread"], value["incomplete_batches"]) == ([], 0), "a part of the chart is missing"
    return sorted(row["resource"] for row in value["versions"] if not row["resource"].startswith("Provenance"))


@dataclass
class Drill:
    """A command, and what must be so when it was said again, once the disk had room."""

    words: list[object]
    then: Callable[[Path], object] = lambda _: None
    again: set[str] = field(default_factory=set)  # codes that the second time may end with: it was done the first time
    bare: bool = False  # in a folder without a home


def drills(files: Path, grant: str) -> dict[str, Drill]:
    """The commands that write."""
    out, secret = files / "ana.export", ("--export-passphrase-file", files / "pass")

    def sound(home: Path) -> None:
        run(home, "person", "import", "--check", out, *secret, expect={""})
        assert [path.name for path in files.iterdir() if path.name.startswith(".")] == [], "a part of a file is left"

    def same(expected: list[str], who: str = "Ana", *words: str) -> Callable[[Path], object]:
        def check(home: Path) -> None:
            assert shown(home, who, *words) == expected, "the chart is another one"

        return check

    def ended(home: Path) -> None:
        run(home, "chart", "--as", "Dr", "--of", "Ana", expect={"warrants/revoked"})
        infos = json.loads(run(home, "access", "--as", "Ana", "--json", expect={""}).out)["grants"]
        assert [info["status"] for info in infos if info["grant"] == grant] == ["revoked"], "the grant goes on"

    def noted(home: Path) -> None:
        run(home, "inbox", "--as", "Ana", expect={""})
        assert len(shown(home, "Practice")) == len([r for r in shown(home) if r.startswith("DocumentReference")]), "no copy"

    before, more = ["Observation/v1", "Observation/v2"], ["Observation/v3"]
    return {
        "init": Drill(["init"], lambda home: run(home, "person", "list", expect={""}), {"agent/home-exists"}, bare=True),
        "person add": Drill(["person", "add", "Ben"], again={"agent/name-taken", "agent/cold-file-exists"}),
        "import": Drill(["import", files / "more.json", "--as", "Ana"], same(["Condition/c1", *before, *more])),
        "grant": Drill(["grant", "--as", "Ana", "--to", "Dr", "--section", "vitals", "--standing", "--for", "30h"]),
        "revoke": Drill(["revoke", grant, "--as", "Ana"], ended),
        "erase": Drill(["erase", "Observation/v1", "--as", "Ana"], same(before[1:]), {"agent/no-such-resource"}),
        "note": Drill(["note", files / "note.txt", "--as", "Dr", "--of", "Ana"], noted),
        "inbox": Drill(["inbox", "--as", "Eve"], same(before, "Eve", "--of", "Ana")),
        "export": Drill(["export", "--as", "Ana", "--out", out, *secret], sound),
        "backup": Drill(["node", "backup", "--out", files / "backup"], again={"node/backup-exists"}),
    }


def prepare(root: Path) -> tuple[Path, str]:
    """A home in which there is something to do; and a standing grant in it."""
    home, files = root / "template" / "home", root / "template" / "files"
    files.mkdir(parents=True)
    (files / "record.json").write_text(bundle(vital("v1"), vital("v2")))
    condition = {"resourceType": "Condition", "id": "c1", "code": {"text": "Asthma"}, "subject": {"reference": "Patient/p"}}
    (files / "more.json").write_text(bundle(vital("v3"), condition))
    (files / "note.txt").write_text("Feels well.")
    (files / "pass").write_text("a long passphrase")
    done = None
    for words in (
        ["init"],
        ["person", "add", "Ana"],
        ["person", "add", "Dr", "--role", "physician"],
        ["person", "add", "Eve", "--role", "physician"],
        ["import", files / "record.json", "--as", "Ana"],
        ["grant", "--as", "Ana", "--to", "Dr", "--section", "documents", "--right", "append"],
        ["grant", "--as", "Ana", "--to", "Eve", "--section", "vitals"],
        ["grant", "--as", "Ana", "--to", "Dr", "--section", "vitals", "--standing", "--json"],
    ):
        done = run(home, *words, expect={""})
    assert done is not None
    run(home, "inbox", "--as", "Dr", expect={""})
    return root / "template", json.loads(done.out)["grants"][0]["grant"]


def drill(template: Path, one: Drill, passing: int, kind: int) -> int:
    """Do it once while the disk refuses after so many changes, and again when it does not; how many changes were made at all."""
    place = template.parent / "place"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(template, place)
    home = place / "home"
    if one.bare:
        shutil.rmtree(home)
    before = changes()
    fail(passing, kind)
    done = run(home, *one.words)
    fail(0, 0)
    made = changes() - before
    assert done.code in EXITS, f"{done.exit} {done.err}"
    assert done.exit == (0 if done.code == "" else 2 if done.code == "cli/cannot-write" else 1), (
        f"exit {done.exit} {done.out} {done.err}"
    )
    if not one.bare:
        run(home, "person", "list", expect={""})
    run(home, *one.words, expect={"", *one.again})
    one.then(home)
    if not one.bare:
        run(home, "verify", "--as", "Ana", expect={""})
    return made


def every(root: Path, share: int) -> None:
    """All drills; the first of each is done on a disk that refuses nothing, to learn how many changes there are."""
    template, grant = prepare(root)
    tried = 0
    for name, one in drills(root / "place" / "files", grant).items():
        total = drill(template, one, 0, 0)
        for kind in KINDS:
            for passing in range(KINDS.index(kind), total, share):
                tried += 1
                try:
                    drill(template, one, passing, kind)
                except AssertionError as error:
                    print(
                        json.dumps({"command": name, "passing": passing, "errno": errno.errorcode[kind], "trouble": str(error)})
                    )
    print(json.dumps({"tried": tried}))


if __name__ == "__main__":
    every(Path(sys.argv[1]) / "disk", int(sys.argv[2]))
