"""A node that is killed at any moment: what it acknowledged is there, all of it checks, and nothing is there by half."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from node_world import MEMBER, NodeWorld, blob, key, package, running
from salus.crypto.hashing import sha256
from salus.exchange.envelopes import Drop
from salus.exchange.posting import mailbox_id, sign_claim, sign_collect
from salus.ledger.modules.sections.queries import entry, section
from salus.node.vault.blobs import require_intact
from salus.warrants.receipting import START, require_chain

TOKEN = b"t" * 16
WRITERS = 4


def work(folder: Path, turn: int) -> None:
    """Four at once, without end: append a blob, read it back, leave a letter; a line of output for each thing done."""
    with running(folder) as world, ThreadPoolExecutor(WRITERS) as pool:
        world.node.open_mailbox(sign_claim(key("box"), world.network, MEMBER, TOKEN, turn))

        def write(writer: int) -> None:
            name = f"section {turn} {writer}"
            world.fill(name)
            for number in range(1_000_000):
                data = blob(f"{turn} {writer} {number}", 40_000)
                body = world.submit(world.entry(name, data), keys=[key(name)], blobs=[data]).body
                say("entry", name, number, sha256(data).hex(), body.hex())
                served = world.node.read(world.read(world.own(name), name, (number,)))
                say("receipt", name, served.promise.promise.index, served.promise.promise.head.hex())
                world.node.drop(Drop(MEMBER, mailbox_id(key("box").public), TOKEN, data[:100]))
                say("letter", data[:100].hex())

        list(pool.map(write, range(WRITERS)))


def say(*words: object) -> None:
    os.write(1, ("\t".join(map(str, words)) + "\n").encode())  # one write: whole lines, whoever else writes


def stall(folder: Path) -> None:
    """Read a blob that is a pipe: the receipt is written, and the first byte never comes."""
    with running(folder) as world:
        world.fill("Ada", blob("one"))
        path = world.blob_path(blob("one"))
        path.unlink()
        os.mkfifo(path)
        say(path)
        world.node.read(world.read(world.own("Ada"), "Ada"))


def worker(*arguments: object) -> subprocess.Popen[bytes]:
    """Another process that works on a node."""
    paths = [str(Path(__file__).parents[2]), *sys.path]
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def killed(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL


def require_whole(world: NodeWorld, said: list[list[str]]) -> None:
    """All that was said holds, and the node holds nothing by half."""
    assert world.node.engine.verify_chain() == world.node.status().height
    anchored = set()
    for height in range(1, world.node.status().height + 1):
        for result in world.node.engine.block(height).results:
            assert result.refusal == ""
    for name in {words[1] for words in said if words[0] == "entry"}:
        found = section(world.node.engine.state, world.section(name))
        for number in range(found.count):
            kept = entry(world.node.engine.state, world.section(name), number)
            data = world.node.blobs.get(kept.blob)
            assert data is not None
            require_intact(data, kept.blob)
            anchored.add(kept.blob.hex())
        answer = world.node.receipts(world.owner_asks(name))
        assert answer.total == len(answer.receipts)
        require_chain(answer.receipts, 0, START)
        heads = {stored.index: stored.head.hex() for stored in answer.receipts}
        assert {int(words[2]): words[3] for words in said if words[:2] == ["receipt", name]}.items() <= heads.items()
    for words in said:
        if words[0] == "entry":
            assert entry(world.node.engine.state, world.section(words[1]), int(words[2])).blob.hex() == words[3]
            assert world.node.result(bytes.fromhex(words[4])).height > 0
    letters, after = set(), 0
    while True:
        asked = sign_collect(key("box"), world.network, world.node.status().member, after, 0, bytes(16), world.clock.now)
        post = world.node.collect(asked)
        letters |= {letter.sealed.hex() for letter in post.letters}
        if not post.more:
            break
        after = post.letters[-1].cursor
    assert {words[1] for words in said if words[0] == "letter"} <= letters
    packages = {sha256(package(f"section {turn} {writer}")).hex() for turn in range(9) for writer in range(WRITERS)}
    files = {path.name for path in (world.folder / "vault").rglob("*") if path.is_file() and path.suffix != ".mdb"}
    assert files - packages == anchored


def test_what_was_acknowledged_outlives_kill_9(tmp_path: Path) -> None:
    """API-16, API-40, API-20."""
    chance, said = random.Random(20_261_124), list[list[str]]()
    for turn in range(1, 5):
        with worker(tmp_path, turn) as child:
            assert child.stdout is not None
            for _ in range(chance.randrange(20, 200)):
                said.append(child.stdout.readline().decode().split("\t"))
            killed(child)
            said += [line.decode().split("\t") for line in child.stdout.readlines() if line.endswith(b"\n")]
        said = [[word.strip() for word in words] for words in said]
        with running(tmp_path) as world:
            require_whole(world, said)
    with running(tmp_path) as world:  # stopping has anchored what the crashes left
        for name in {words[1] for words in said if words[0] == "receipt"}:
            answer = world.node.receipts(world.owner_asks(name))
            assert answer.leaf is not None
            assert (answer.leaf.count, answer.leaf.head) == (answer.total, answer.receipts[-1].head)


def test_a_node_killed_between_receipt_and_first_byte_has_the_receipt(tmp_path: Path) -> None:
    """WAR-18, API-20."""
    with worker(tmp_path, "stall") as child:
        assert child.stdout is not None
        pipe = child.stdout.readline().strip()
        with Path(pipe.decode()).open("wb"):
            killed(child)
    with running(tmp_path) as world:
        assert world.node.receipts(world.owner_asks("Ada")).total == 1


if __name__ == "__main__":
    stall(Path(sys.argv[1])) if sys.argv[2] == "stall" else work(Path(sys.argv[1]), int(sys.argv[2]))
