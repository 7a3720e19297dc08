"""A proof file verifies in a clean process; with any byte changed, cut off or added it is refused with a code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from salus.agent.services import charting, proving, revoking
from salus.codec import encode
from salus.errors import SalusError
from salus.exchange.proofs import read_proofs, require_proofs
from salus.ledger.genesis import Genesis
from world import DOCTOR, PATIENT, Clock, World, thread

KINDS = ("entry", "licence", "licence now", "revocation", "absence")


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Genesis, dict[str, bytes]]:
    with thread(tmp_path_factory.mktemp("proofs") / "home") as world:
        return world.agent.genesis, make(world)


def make(world: World) -> dict[str, bytes]:
    """One proof file of each kind."""
    made = world.grant()
    absence = proving.prove(world.agent, PATIENT, "absence", made.grant)
    revoking.revoke(world.agent, PATIENT, grant=made.grant)
    entry = charting.open_chart(world.agent, PATIENT, PATIENT).shown[0].header.entry.hex()
    return {
        "entry": proving.prove(world.agent, PATIENT, "entry", entry),
        "licence": proving.prove(world.agent, None, "licence", DOCTOR, world.agent.network.header(None).header.time),
        "licence now": proving.prove(world.agent, None, "licence", DOCTOR),
        "revocation": proving.prove(world.agent, PATIENT, "revocation", made.grant),
        "absence": absence,
    }


def refused(genesis: Genesis, data: bytes) -> bool:
    """Whether ``data`` is refused with a coded error; anything else but acceptance fails the test."""
    try:
        require_proofs(genesis, read_proofs(data))
    except SalusError as error:
        return bool(error.code)
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_a_proof_verifies(proofs: tuple[Genesis, dict[str, bytes]], kind: str) -> None:
    genesis, files = proofs
    findings = require_proofs(genesis, read_proofs(files[kind]))
    assert {finding.kind for finding in findings} == {kind.partition(" ")[0]}


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
@pytest.mark.parametrize("kind", KINDS)
def test_every_changed_byte_is_found(proofs: tuple[Genesis, dict[str, bytes]], kind: str, mask: int) -> None:
    genesis, files = proofs
    data = files[kind]
    accepted = []
    for offset in range(len(data)):
        forged = bytearray(data)
        forged[offset] ^= mask
        if not refused(genesis, bytes(forged)):
            accepted.append(offset)
    assert accepted == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_truncation_and_addition_is_found(proofs: tuple[Genesis, dict[str, bytes]], kind: str) -> None:
    genesis, files = proofs
    data = files[kind]
    assert all(refused(genesis, data[:length]) for length in range(len(data)))
    assert all(refused(genesis, data + bytes([last])) for last in range(256))


def test_a_stranger_needs_no_home_no_network_and_no_agent(proofs: tuple[Genesis, dict[str, bytes]], tmp_path: Path) -> None:
    genesis, files = proofs
    (tmp_path / "genesis").write_bytes(encode(genesis))
    for kind, data in files.items():
        (tmp_path / "proof").write_bytes(data)
        done = clean(tmp_path)
        assert json.loads(done["out"])["findings"][0]["kind"] == kind.partition(" ")[0]
        loaded = set(done["modules"])
        assert not [
            name for name in loaded if name.startswith(("salus.agent", "salus.node", "salus.charts.entry", "lmdb", "httpx"))
        ]
    (tmp_path / "proof").write_bytes(files["entry"] + b"\x00")
    done = clean(tmp_path)
    assert done["exit"] == 1
    assert json.loads(done["out"])["error"]["code"].startswith("codec/")


def clean(folder: Path) -> dict[str, object]:
    """Run the command in a clean process, and report its exit, its output and the modules that it loaded."""
    script = (
        "import sys, json, io\n"
        "out = sys.stdout; sys.stdout = io.TextIOWrapper(io.BytesIO())\n"
        "sys.argv = ['salus', 'verify', '--proof', 'proof', '--genesis', 'genesis', '--json']\n"
        "from salus.cli import main\n"
        "try:\n    main(); code = 0\nexcept SystemExit as end:\n    code = end.code\n"
        "sys.stdout.flush(); text = sys.stdout.buffer.getvalue().decode()\n"
        "out.write(json.dumps({'exit': code, 'out': text, 'modules': list(sys.modules)}))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True, cwd=folder)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_proof_of_another_network_is_refused(proofs: tuple[Genesis, dict[str, bytes]], tmp_path: Path) -> None:
    _, files = proofs
    with thread(tmp_path / "other") as world:
        assert all(refused(world.agent.genesis, data) for data in files.values())


def test_a_status_in_the_future_cannot_be_proven(tmp_path: Path) -> None:
    with thread(tmp_path / "home") as world:
        with pytest.raises(SalusError) as found:
            proving.prove(world.agent, None, "licence", DOCTOR, Clock(2**45).now)
        assert found.value.full_code == "ledger/wrong-proof"
