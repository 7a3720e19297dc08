"""The second reader, in TypeScript on other libraries, gives every vector the same verdict; and what it seals opens here."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from salus.charts.entry import Leaf
from salus.charts.sealing import half_of, open_entry
from salus.codec import encode
from salus.crypto.signing import require_ed25519, require_mldsa, require_sound_key
from salus.errors import SalusError
from test_vectors import fields_of, outcome

VECTORS = Path(__file__).parents[1] / "vectors"
READER = VECTORS / "ts"
NODE = shutil.which("node")
#: A parser that forgets how a value was spelled cannot tell these apart.
MALFORMED = {"codec/not-decodable", "codec/not-canonical"}

pytestmark = pytest.mark.skipif(
    NODE is None or not (READER / "node_modules" / ".package-lock.json").exists(),
    reason="the second reader needs Node.js and `npm ci` in vectors/ts; `make vectors` does it",
)


@pytest.fixture(scope="module")
def reader() -> Path:
    """The compiled reader."""
    subprocess.run([str(NODE), "node_modules/typescript/bin/tsc"], cwd=READER, check=True)
    return READER / "out" / "main.js"


def run(reader: Path, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(NODE), reader, *arguments], capture_output=True, text=True, timeout=240)


def test_the_second_reader_gives_every_vector_of_its_kinds_the_same_verdict(reader: Path) -> None:
    done = run(reader, "check", VECTORS)
    verdicts = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    kinds = {name.partition("/")[0] for name in verdicts}
    own = {
        f"{path.parent.name}/{path.stem}": outcome(fields_of(path)) for kind in kinds for path in (VECTORS / kind).glob("*.txt")
    }
    differing = {name for name, verdict in own.items() if verdicts[name] != verdict and {verdicts[name], verdict} != MALFORMED}
    assert (differing, set(verdicts), done.returncode) == (set(), set(own), 0)
    assert {"entry", "warrant", "reading", "header", "answer", "proof", "transaction"} <= kinds


def test_a_wrong_verdict_is_noticed(reader: Path, tmp_path: Path) -> None:
    changed = shutil.copytree(VECTORS / "entry", tmp_path / "entry") / "wrong-epoch.txt"
    changed.write_text(changed.read_text("ascii").replace("crypto/cannot-open", "accepted"), "ascii")
    done = run(reader, "check", tmp_path, "entry")
    assert (done.returncode, done.stdout.count("EXPECTED")) == (1, 1)
    assert "entry/wrong-epoch crypto/cannot-open EXPECTED accepted" in done.stdout


def accepts(check: Any, *arguments: bytes) -> str:
    try:
        check(*arguments)
    except SalusError:
        return "0"
    return "1"


def test_the_second_reader_accepts_the_same_of_what_others_publish(reader: Path) -> None:
    def load(name: str) -> Any:
        return json.loads(gzip.decompress((VECTORS / "third-party" / f"{name}.json.gz").read_bytes()))

    def trials(name: str) -> list[Any]:
        return [{**group, **test} for group in load(f"wycheproof/{name}") for test in group["tests"]]

    raw, edges = bytes.fromhex, load("ed25519-edge-cases")
    classic, lattice = trials("ed25519_test"), trials("mldsa_65_verify_test")
    own = {
        "ed25519-edge-cases": [accepts(require_ed25519, raw(c["key"]), c["msg"].encode(), raw(c["sig"])) for c in edges],
        "sound-keys": [accepts(require_sound_key, raw(c["key"])) for c in edges],
        "ed25519_test": [accepts(require_ed25519, raw(t["publicKey"]["pk"]), raw(t["msg"]), raw(t["sig"])) for t in classic],
        "mldsa_65_verify_test": [
            accepts(require_mldsa, raw(t["publicKey"]), raw(t["msg"]), raw(t.get("ctx", "")), raw(t["sig"])) for t in lattice
        ],
    }
    lines = run(reader, "third-party", VECTORS / "third-party").stdout.splitlines()
    assert dict(line.split(" ") for line in lines) == {name: "".join(verdicts) for name, verdicts in own.items()}


def test_what_the_second_reader_seals_opens(reader: Path, tmp_path: Path) -> None:
    file = tmp_path / "sealed.txt"
    assert run(reader, "seal", file).returncode == 0
    fields = fields_of(file)
    blob, seed, network, section = (bytes.fromhex(fields[name]) for name in ("blob", "seed", "network", "section"))
    half = half_of(blob, seed, network, section, int(fields["epoch"]))
    opened = open_entry(blob, half, network, section, int(fields["epoch"]))
    (leaf,) = opened.leaves
    assert isinstance(leaf, Leaf)
    assert (leaf.identity, leaf.data.hex()) == (fields["identity"], fields["data"])
    assert encode(opened.key).hex() == fields["author"]
