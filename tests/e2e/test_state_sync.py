"""A member that lost its chain, on real CometBFT: it begins with a snapshot of the others, and the story goes on."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.networks import owners, signed
from localnet_world import on_comet
from salus.codec import encode
from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey
from salus.errors import SalusError
from salus.exchange.api import Submission
from salus.exchange.client import NodeClient
from salus.home_folder import read_genesis
from salus.ledger.modules.sections.state import entry_key
from salus.ledger.verifying import require_answer
from salus.localnet import Localnet, Member
from salus.node.identity import read_node_seed
from salus.node.operating.checking import check
from salus.node.operating.looking import looking
from salus.node.operating.scrubbing import scrub

EVERY = 10  # blocks from one snapshot to the next
PATIENCE = 90.0  # seconds for whatever must come


pytestmark = on_comet


@pytest.fixture
def net() -> Iterator[Localnet]:
    """Four members that make a snapshot every few blocks, and let anybody in."""
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        net = Localnet(Path(folder))
        net.make(4)
        for member in net.members():
            path = net.home(member) / "node" / "config.toml"
            text = path.read_text("utf-8").replace("[comet]\n", f"[comet]\nsnapshot_blocks = {EVERY}\n")
            path.write_text('guests = "open"\n' + text, "utf-8")
        try:
            start(net)
            yield net
        finally:
            net.stop()


class Story:
    """An owner at the first member, whose section grows."""

    def __init__(self, net: Localnet) -> None:
        self.net, first = net, net.members()[0]
        self.genesis = read_genesis(net.home(first))
        self.node = SigningKey(derive(read_node_seed(net.home(first) / "node" / "node.key"), "node"))
        self.client = NodeClient(first.url, 60)
        (self.owner,) = owners(self.genesis, 1)
        self.count = 0
        self.send(self.owner.creation(self.genesis.time), b"sealed" * 16)

    def send(self, action: object, blob: bytes) -> None:
        self.client.submit(Submission(signed(self.genesis, [action], [self.owner.key, self.node]), (blob,)))

    def entries(self, count: int) -> None:
        for _ in range(count):
            blob = str(self.count).encode().ljust(96, b".")
            self.send(self.owner.anchor(blob), blob)
            self.count += 1

    def close(self) -> None:
        self.client.close()


def await_(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.2)


def height(net: Localnet, member: Member) -> int:
    return net.seen(member).height or 0


def start(net: Localnet) -> None:
    """Start whoever does not run, from a process of its own, so that they are nobody's children here."""
    begun = "import sys; from pathlib import Path; from salus.localnet import Localnet; Localnet(Path(sys.argv[1])).start()"
    done = subprocess.run([sys.executable, "-c", begun, str(net.folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def resync(home: Path) -> None:
    command = [sys.executable, "-m", "salus", "node", "resync", "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def lose_blocks(engine: Path, *, kept: bool) -> None:
    """The engine's folder is gone, or all of it but what its validator has signed."""
    signed_last = {path.name: path.read_bytes() for path in (engine / "data").glob("signed-*.json")}
    shutil.rmtree(engine)
    if kept:
        (engine / "data").mkdir(parents=True)
        for name, data in signed_last.items():
            (engine / "data" / name).write_bytes(data)


@pytest.mark.parametrize("kept", [True, False], ids=["what was signed is kept", "what was signed is lost"])
def test_a_member_that_lost_its_chain_comes_back_by_a_snapshot(net: Localnet, kept: bool) -> None:
    """NET-40 to NET-47: every header of it agrees with the others'; with what it has signed it votes again."""
    story, lost = Story(net), net.members()[3]
    home = net.home(lost)
    try:
        story.entries(30)
        net.kill("d")
        await_(lambda: net.pid(lost) is None)
        shutil.rmtree(home / "node" / "ledger")
        lose_blocks(home / "node" / "comet", kept=kept)
        story.entries(15)
        resync(home)
        start(net)
        story.entries(15)
        await_(lambda: height(net, lost) >= height(net, net.members()[0]) - 1)
        with looking(home / "node" / "ledger") as ledger:
            base, top = ledger.base(), ledger.height()
        assert base >= EVERY
        assert base % EVERY == 0
        clients = [NodeClient(member.url, 20) for member in net.members()]
        for number in range(base + 1, top):
            assert len({encode(client.header(number).header) for client in clients}) == 1
        with pytest.raises(SalusError) as refused:
            clients[3].header(base)
        assert refused.value.full_code == "node/pruned"
        (answer,) = clients[3].states([entry_key(story.owner.section, story.count - 1)])
        assert require_answer(story.genesis, answer) is not None
        for client in clients:
            client.close()
        if kept:
            net.kill("b")
            story.entries(3)  # three of four decide, and this member is one of them
    finally:
        story.close()
        net.stop()
    assert not [one for one in scrub(home, story.genesis, lambda *_: None).findings if one.what == "chain" and one.code]
    found = check(home, story.genesis, int(time.time() * 1000))
    assert next(one.text for one in found if one.what == "chain").startswith(f"headers {base + 1} to ")
    shutil.rmtree(home / "node" / "snapshots")
    without = scrub(home, story.genesis, lambda *_: None)
    assert [one.code for one in without.findings if one.what == "chain"] == ["node/no-base"]
