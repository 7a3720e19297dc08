"""What the ledger has buried is on no disk: after its block, after a crash, and after an old copy of the blobs came back."""

from __future__ import annotations

from pathlib import Path

from node_world import NodeWorld, ask, blob, code, key, running
from salus.codec import decode, encode
from salus.crypto.hashing import sha256
from salus.exchange.api import Served
from salus.ledger.modules.sections.messages import Entomb, Rewrite

ONE, TWO, NEW = blob("one"), blob("two"), blob("new")


def erase(world: NodeWorld, name: str, number: int = 0) -> None:
    world.submit(Entomb(world.section(name), number), keys=[key(name)])


def test_an_entombed_blob_is_gone_when_the_block_is_answered(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.fill("Ada", ONE, TWO)
        erase(world, "Ada")
        assert not world.blob_path(ONE).exists()
        assert world.blob_path(TWO).exists()


def test_a_rewritten_blob_is_gone_and_the_new_one_stays(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.fill("Ada", ONE)
        world.submit(Rewrite(world.section("Ada"), 0, sha256(ONE), sha256(NEW), len(NEW)), keys=[key("Ada")], blobs=[NEW])
        assert not world.blob_path(ONE).exists()
        assert world.blob_path(NEW).read_bytes() == NEW


def test_what_is_erased_is_nowhere_in_the_vault(tmp_path: Path) -> None:
    """SEC-25, API-70: neither in its place nor where it arrived."""
    with running(tmp_path) as world:
        world.fill("Ada", ONE, TWO)
        there = [path for path in (world.folder / "vault").rglob("*") if path.is_file() and path.read_bytes() == ONE]
        assert {path.parent.name for path in there} == {"arriving", sha256(ONE).hex()[:2]}
        erase(world, "Ada")
        assert not any(path.read_bytes() == ONE for path in (world.folder / "vault").rglob("*") if path.is_file())


def test_nobody_keeps_alive_what_another_one_erases(tmp_path: Path) -> None:
    """SEC-25: a blob's hash is public, and a reader may have the bytes: another section takes them neither before nor after."""
    with running(tmp_path) as world:
        world.fill("Ada", ONE)
        assert code(lambda: world.fill("Bea", ONE)) == "ledger/blob-held"
        erase(world, "Ada")
        assert not world.blob_path(ONE).exists()
        assert code(lambda: world.fill("Bea", ONE)) in ("ledger/blob-erased", "ledger/section-exists")
        assert not world.blob_path(ONE).exists()


def test_what_an_old_copy_brings_back_is_gone_before_the_first_answer(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.fill("Ada", ONE, TWO)
        path = world.blob_path(ONE)
        erase(world, "Ada")
    path.write_bytes(ONE)
    with running(tmp_path) as world:
        assert not path.exists()
        answer = ask(world.node, "POST", "/v1/entries", encode(world.read(world.own("Ada"), "Ada", (0, 1))))
        served = decode(answer.content, Served, limit=1 << 20)
        assert (served.blobs, served.missing) == ((b"", TWO), (0,))


def test_a_disk_that_refuses_to_delete_does_not_undo_the_block(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.fill("Ada", ONE, TWO)
        path = world.blob_path(ONE)
        path.unlink()
        (path / "stuck").mkdir(parents=True)  # a name that cannot be unlinked
        erase(world, "Ada")
        (path / "stuck").rmdir()
        path.rmdir()
        path.write_bytes(ONE)
        erase(world, "Ada", 1)  # the next block goes on with what is left
        assert not path.exists()
