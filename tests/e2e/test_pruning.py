"""Members that prune beside one that keeps all, on real CometBFT: what is asked of each, and who joins by whom."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from test_state_sync import EVERY, Story, await_, height, lose_blocks, resync, start

from localnet_world import on_comet
from salus import localnet
from salus.agent.nodes import Nodes
from salus.codec import decode, encode
from salus.errors import SalusError
from salus.exchange.api import Submission
from salus.exchange.client import NodeClient
from salus.ledger.tx import Transaction, body_hash
from salus.localnet import Localnet, Member
from salus.node.comet.rpc import Rpc
from salus.node.operating.checking import check
from salus.node.operating.looking import looking
from salus.node.operating.scrubbing import scrub

KEEP = 20
A, B, C, ARCHIVE = range(4)
EXPIRED = 3_000  # ms for which a wallet of this network goes by what it has verified

pytestmark = on_comet


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Iterator[Localnet]:
    """Four members of which three prune; headers are kept for seconds."""
    monkeypatch.setattr(localnet, "QUICK", replace(localnet.QUICK, trust_period=EXPIRED))
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        net = Localnet(Path(folder))
        net.make(4)
        for number, member in enumerate(net.members()):
            path = net.home(member) / "node" / "config.toml"
            kept = f"snapshot_blocks = {EVERY}\nkeep_blocks = {0 if number == ARCHIVE else KEEP}\n"
            path.write_text('guests = "open"\n' + path.read_text("utf-8").replace("[comet]\n", f"[comet]\n{kept}"), "utf-8")
        try:
            start(net)
            yield net
        finally:
            net.stop()


def command(home: Path, *words: str) -> tuple[int, dict[str, object]]:
    """The exit status and the JSON of a command on a member's node."""
    run = [sys.executable, "-m", "salus", *words, "--home", str(home), "--json"]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout or done.stderr)


def base(net: Localnet, member: Member) -> int:
    client = NodeClient(member.url, 20)
    try:
        return client.status().base
    finally:
        client.close()


def earliest(home: Path) -> int:
    """The lowest block that the member's engine still has."""
    config = (home / "node" / "comet" / "config" / "config.toml").read_text("utf-8")
    socket = next(line.split('"')[1] for line in config.splitlines() if line.startswith('laddr = "unix://'))
    told = Rpc(Path(socket.removeprefix("unix://")))._exchange(b'{"jsonrpc": "2.0", "id": 1, "method": "status", "params": {}}')
    return int(json.loads(told)["result"]["sync_info"]["earliest_block_height"])


def code(asked: object, *args: object) -> str:
    with pytest.raises(SalusError) as refused:
        asked(*args)  # type: ignore[operator]
    return refused.value.full_code


def findings(home: Path) -> dict[str, str]:
    _, told = command(home, "node", "doctor")
    return {one["what"]: one["code"] or "" for one in told["findings"]}  # type: ignore[attr-defined]


def test_members_that_prune_let_go_of_blocks_and_lead_others_on(net: Localnet) -> None:
    """NET-55 to NET-62."""
    story, members = Story(net), net.members()
    homes = [net.home(member) for member in members]
    try:
        first = b"the first".ljust(96, b".")
        sent = Submission(_anchor(story, first), (first,))
        known = story.client.submit(sent)
        story.entries(70)
        await_(lambda: min(base(net, members[at]) for at in (A, B, C)) >= 30)
        await_(lambda: earliest(homes[A]) >= 20)
        assert earliest(homes[A]) <= base(net, members[A])
        assert (earliest(homes[ARCHIVE]), base(net, members[ARCHIVE])) == (1, 0)

        _goes_to_another_node_for_what_is_pruned(members)
        body = body_hash(decode(sent.transaction, Transaction, limit=65_536).body)
        assert story.client.result(body) == known
        assert story.client.submit(sent) == known

        before = base(net, members[A])
        status, told = command(homes[A], "node", "status")
        assert status == 0
        assert before <= told["base"] <= base(net, members[A])  # which moves up meanwhile
        status, told = command(homes[A], "node", "blocks", "--last", "1000")
        assert (status, told["blocks"][0]["height"] > 1) == (0, True)  # type: ignore[index]
        assert findings(homes[A])["archive"] == ""
        assert command(homes[A], "node", "backup", "--out", str(net.folder / "a.tar"))[0] == 0

        joined = _joins_by_those_who_prune(net, story)
        assert findings(homes[A])["archive"] == "node/no-archive"
        start(net)
        story.entries(40)
        await_(lambda: height(net, members[ARCHIVE]) >= height(net, members[A]) - 1)
        await_(lambda: earliest(homes[C]) > joined + 1)  # who began with a snapshot lets go of blocks, too
        assert not any("failed to prune" in (home / "node" / "comet" / "engine.log").read_text("utf-8") for home in homes)
        _becomes_an_archive(net, members[B])
    finally:
        story.close()
        net.stop()
    for home in homes:
        found = [*check(home, story.genesis, int(time.time() * 1000)), *scrub(home, story.genesis, lambda *_: None).findings]
        assert [one.code for one in found if one.what == "chain"] == ["", ""]
    shutil.rmtree(homes[A] / "node" / "mailbox")
    status, told = command(homes[A], "node", "restore", str(net.folder / "a.tar"))
    assert status == 0, told
    with looking(homes[A] / "node" / "ledger") as ledger:
        assert ledger.base() >= 30


def _anchor(story: Story, blob: bytes) -> bytes:
    from bench.networks import signed

    return signed(story.genesis, [story.owner.anchor(blob)], [story.owner.key, story.node])


def _goes_to_another_node_for_what_is_pruned(members: list[Member]) -> None:
    pruned, archive = NodeClient(members[A].url, 20), NodeClient(members[ARCHIVE].url, 20)
    both, alone = Nodes([members[A].url, members[ARCHIVE].url]), Nodes([members[A].url, members[B].url])
    try:
        await_(lambda: _says_pruned(pruned))
        assert code(alone.header, 2) == "node/pruned"
        assert encode(both.header(2)) == encode(archive.header(2))
        assert both.url == members[A].url  # it is used on
    finally:
        for asked in (pruned, archive, both, alone):
            asked.close()


def _says_pruned(client: NodeClient) -> bool:
    try:
        client.header(2)
    except SalusError as refused:
        return refused.full_code == "node/pruned"
    return False


def _joins_by_those_who_prune(net: Localnet, story: Story) -> int:
    """While the archive is away, a member that lost its chain begins with what those have who prune; with which height."""
    members, home = net.members(), net.home(net.members()[C])
    net.kill(members[C].name)
    await_(lambda: net.pid(members[C]) is None)
    shutil.rmtree(home / "node" / "ledger")
    lose_blocks(home / "node" / "comet", kept=True)
    story.entries(5)
    resync(home)
    net.kill(members[ARCHIVE].name)
    await_(lambda: net.pid(members[ARCHIVE]) is None)
    _serve(net, members[C])
    await_(lambda: height(net, members[C]) > 0)
    story.entries(3)  # three of four decide, and this member is one of them
    begun = base(net, members[C])
    assert begun >= 50
    return begun


def _becomes_an_archive(net: Localnet, member: Member) -> None:
    """NET-63: it takes every block, although there are snapshots to begin with."""
    home = net.home(member)
    net.kill(member.name)
    await_(lambda: net.pid(member) is None)
    config = home / "node" / "config.toml"
    config.write_text(config.read_text("utf-8").replace(f"keep_blocks = {KEEP}", "keep_blocks = 0"), "utf-8")
    await_(lambda: command(home, "node", "resync", "--all")[0] == 0)
    _serve(net, member)
    await_(lambda: height(net, member) >= height(net, net.members()[A]) - 1)
    assert base(net, member) == 0
    client = NodeClient(member.url, 20)
    assert client.header(1).header.height == 1
    client.close()


def _serve(net: Localnet, member: Member) -> None:
    """Start this member alone, from a process of its own."""
    begun = (
        "import sys; from pathlib import Path; from salus.localnet import Localnet; net = Localnet(Path(sys.argv[1])); "
        "net._serve(net.member(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", begun, str(net.folder), member.name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
