"""A node whose vault's blobs lie in a bucket: sealed, served, checked, backed up and restored while the bucket comes and goes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from bucket_world import KEY, SECRET, Server, eventually, keys, on_buckets, server
from node_world import QUIET, START, Clock, NodeWorld, ask, blob, key, preimage, running
from operating_world import GENESIS, backed_up, home_in, restored, silent
from salus.cli.app import app
from salus.codec import encode
from salus.crypto.hashing import sha256
from salus.errors import NodeRefused
from salus.node.operating.checking import check
from salus.node.operating.scrubbing import scrub

ONE, TWO, THREE = (blob(name) for name in ("one", "two", "three"))
QUICK = 0.3
pytestmark = on_buckets


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path) as made, keys():
        yield made


@pytest.fixture
def home(store: Server, tmp_path: Path) -> Path:
    """A home whose node has two entries in the bucket."""
    made = home_in(tmp_path)
    configure(made, store)
    with opened(made, store) as world:
        world.fill("Ada", ONE, TWO)
        eventually(world.node.blobs.move)
    return made


def configure(home: Path, store: Server, url: str = "s3://blobs/vault") -> None:
    (home / "node" / "config.toml").write_text(
        f'[store]\nurl = "{url}"\nendpoint = "http://127.0.0.1:{store.port}"\ntimeout_seconds = {QUICK}\n', "utf-8"
    )


@contextmanager
def opened(home: Path, store: Server, **changed: object) -> Iterator[NodeWorld]:
    config = replace(QUIET, store=store.config(timeout=QUICK, **changed))
    with running(home / "node", Clock(START), config, GENESIS) as world:
        yield world


def in_bucket(store: Server) -> int:
    return len(store.objects())


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(NodeRefused) as refused:
        act()
    return refused.value.code


def appended(world: NodeWorld, data: bytes) -> None:
    world.submit(world.entry("Ada", data), keys=[key("Ada")], blobs=[data])


def test_what_lies_in_the_bucket_is_served(home: Path, store: Server) -> None:
    assert in_bucket(store) == 3  # two entries and a key package
    assert not any(path.is_file() for path in (home / "node" / "vault" / "blobs").rglob("*"))
    with opened(home, store) as world:
        served = world.node.read(world.read(world.own("Ada"), "Ada", (0, 1)))
    assert served.blobs == (ONE, TWO)
    assert served.missing == ()


def test_a_reading_without_the_bucket_is_refused_by_a_code_and_blocks_go_on(home: Path, store: Server) -> None:
    """MEM-31, MEM-33."""
    with opened(home, store) as world:
        store.kill()
        assert code_of(lambda: world.node.read(world.read(world.own("Ada"), "Ada"))) == "store-unreachable"
        answer = ask(world.node, "POST", "/v1/entries", encode(world.read(world.own("Ada"), "Ada")))
        assert (answer.status_code, answer.json()["code"]) == (503, "node/store-unreachable")
        appended(world, THREE)
        assert world.node.read(world.read(world.own("Ada"), "Ada", (2,))).blobs == (THREE,)
        store.start()
        eventually(world.node.blobs.move)
        assert world.node.read(world.read(world.own("Ada"), "Ada", (0, 1, 2))).blobs == (ONE, TWO, THREE)


def test_a_reading_that_would_not_be_answered_leaves_no_receipt_while_that_is_known(home: Path, store: Server) -> None:
    with opened(home, store, timeout_seconds=2.0) as world:
        store.kill()
        assert code_of(lambda: world.node.read(world.read(world.own("Ada"), "Ada"))) == "store-unreachable"
        before = world.node.receipts(world.owner_asks("Ada")).total
        assert code_of(lambda: world.node.read(world.read(world.own("Ada"), "Ada"))) == "store-unreachable"
        assert world.node.receipts(world.owner_asks("Ada")).total == before
        store.start()


def test_a_node_starts_and_orders_while_its_bucket_is_away(home: Path, store: Server) -> None:
    store.kill()
    with opened(home, store) as world:
        appended(world, THREE)
        assert world.node.blobs.has(sha256(ONE))
    store.start()


def test_a_full_buffer_refuses_writers_and_nobody_who_takes_back(home: Path, store: Server) -> None:
    with opened(home, store, buffer_bytes=0) as world:
        store.kill()
        appended(world, THREE)
        more = blob("more")
        assert code_of(lambda: appended(world, more)) == "store-full"
        world.revoke(preimage("Ada"))
        store.start()


def test_an_object_that_was_changed_is_named_as_missing_and_found_by_scrubbing(home: Path, store: Server) -> None:
    name = sha256(ONE).hex()
    place = store.folder / "blobs" / "vault" / name[:2] / name
    place.write_bytes(TWO[: len(ONE)])
    found = scrub(home, GENESIS, silent)
    assert found.damaged == (sha256(ONE),)
    assert found.missing == ()
    with opened(home, store) as world:
        served = world.node.read(world.read(world.own("Ada"), "Ada", (0, 1)))
    assert (served.missing, served.blobs) == ((0,), (b"", TWO))


def test_scrubbing_takes_the_buckets_word(home: Path, store: Server) -> None:
    name = sha256(TWO).hex()
    (store.folder / "blobs" / "vault" / name[:2] / name).unlink()
    found = scrub(home, GENESIS, silent)
    assert (found.missing, found.damaged, found.blobs) == ((sha256(TWO),), (), 2)
    assert any(finding.code == "node/blobs-lost" for finding in found.findings)


def test_scrubbing_without_the_bucket_is_no_finding_about_blobs(home: Path, store: Server) -> None:
    store.kill()
    assert code_of(lambda: scrub(home, GENESIS, silent)) == "store-unreachable"


def test_checking_asks_nothing_of_the_bucket(home: Path, store: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store.kill()
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    found = check(home, GENESIS, START)
    assert not found.troubles
    assert "3 sealed blobs lie in s3://blobs/vault, and 0 wait" in next(each.text for each in found if each.what == "store")


def test_a_backup_counts_what_lies_in_the_bucket_and_a_restore_looks_for_it(home: Path, store: Server, tmp_path: Path) -> None:
    made = backed_up(home, tmp_path / "backup")
    assert (made.manifest.bucket, made.manifest.in_bucket, made.lost) == ("s3://blobs/vault", 3, 0)
    assert not (tmp_path / "backup" / "blobs").exists()
    other = home_in(tmp_path / "other")
    assert restored(other, tmp_path / "backup").missing == 0
    name = sha256(TWO).hex()
    (store.folder / "blobs" / "vault" / name[:2] / name).unlink()
    third = home_in(tmp_path / "third")
    assert restored(third, tmp_path / "backup").missing == 1
    with opened(other, store) as world:
        assert world.node.read(world.read(world.own("Ada"), "Ada")).blobs == (ONE,)


def test_a_backup_copies_the_bucket_when_told_to(home: Path, store: Server, tmp_path: Path) -> None:
    made = backed_up(home, tmp_path / "backup", with_bucket=True)
    assert (made.manifest.bucket, made.manifest.in_bucket) == ("", 0)
    assert sum(path.is_file() for path in (tmp_path / "backup" / "blobs").rglob("*")) == 3
    store.kill()
    assert code_of(lambda: backed_up(home, tmp_path / "another", with_bucket=True)) == "store-unreachable"


def test_a_restore_is_refused_where_the_bucket_is_no_longer_named(home: Path, store: Server, tmp_path: Path) -> None:
    backed_up(home, tmp_path / "backup")
    other = home_in(tmp_path / "other")
    (other / "node" / "config.toml").write_text("", "ascii")
    assert code_of(lambda: restored(other, tmp_path / "backup")) == "store-changed"


def test_orphans_in_the_bucket_are_deleted_when_told_and_young_ones_stay(home: Path, store: Server) -> None:
    stray = sha256(THREE).hex()
    place = store.folder / "blobs" / "vault" / stray[:2] / stray
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(THREE)
    assert scrub(home, GENESIS, silent, delete_orphans=True).deleted == 0

    os.utime(place, (1, 1))
    assert scrub(home, GENESIS, silent, delete_orphans=True).deleted == 1
    assert not place.exists()
    assert in_bucket(store) == 3


def test_the_doctor_says_whether_the_bucket_may_be_written_and_tells_no_key(home: Path, store: Server) -> None:
    def findings() -> dict[str, str | None]:
        done = CliRunner().invoke(app, ["node", "doctor", "--home", str(home), "--json"])
        assert SECRET not in done.output
        assert KEY not in done.output
        return {found["what"]: found["code"] for found in json.loads(done.stdout)["findings"]}

    assert findings()["bucket"] is None
    assert in_bucket(store) == 3
    store.lose()
    assert findings()["bucket"] == "node/store-gone"
