"""A vault whose blobs lie in a bucket of a real server, which is killed, stands still, loses things and comes back."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bucket_world import KEY, SECRET, Server, eventually, keys, on_buckets, server
from salus.crypto.hashing import sha256
from salus.errors import NodeRefused
from salus.node.config import Config, StoreConfig, read_config
from salus.node.vault.blobs import Blobs
from salus.node.vault.bucket import Bucket
from salus.node.vault.bucketed import BucketBlobs
from salus.node.vault.lying import held_blobs, open_blobs
from salus.node.vault.stored import Stored

ONE, TWO = b"one" * 50, b"two" * 70
NAME = sha256(ONE)
QUICK = 0.3  # seconds that a request may take where the server does not answer
pytestmark = on_buckets


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path) as made, keys():
        yield made


@pytest.fixture
def blobs(store: Server, tmp_path: Path) -> Iterator[BucketBlobs]:
    with opened(tmp_path / "node", store.config(timeout=QUICK)) as made:
        yield made


@contextmanager
def opened(node: Path, config: StoreConfig) -> Iterator[BucketBlobs]:
    """The blobs of a node, begun; closed in the end."""
    found = open_blobs(node, Config(store=config))
    assert isinstance(found, BucketBlobs)
    try:
        found.begin()
        yield found
    finally:
        found.close()


def waiting(node: Path) -> list[Path]:
    return [path for path in (node / "vault" / "blobs").rglob("*") if path.is_file()]


def place(blob: bytes) -> str:
    return f"vault/{blob.hex()[:2]}/{blob.hex()}"


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(NodeRefused) as refused:
        act()
    assert SECRET not in str(refused.value)
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None  # which would say more than its words
    return refused.value.code


def test_objects_are_named_by_hashes_alone_and_the_disk_is_empty_then(blobs: BucketBlobs, store: Server, tmp_path: Path) -> None:
    for data in (ONE, TWO):
        blobs.put(data)
    blobs.move()
    assert store.objects() == {place(sha256(ONE)), place(sha256(TWO))}
    assert waiting(tmp_path / "node") == []


@pytest.mark.parametrize("still", [False, True])
def test_nothing_leaves_the_disk_before_the_bucket_has_it(blobs: BucketBlobs, store: Server, tmp_path: Path, still: bool) -> None:
    blobs.put(ONE)
    if still:
        with store.standing_still():
            assert code_of(blobs.move) == "store-unreachable"
    else:
        store.kill()
        assert code_of(blobs.move) == "store-unreachable"
    assert len(waiting(tmp_path / "node")) == 1
    assert blobs.get(NAME) == ONE
    if not still:
        store.start()
    eventually(blobs.move)
    assert waiting(tmp_path / "node") == []
    assert blobs.get(NAME) == ONE


@pytest.mark.parametrize("still", [False, True])
def test_a_bucket_that_does_not_answer_is_not_one_that_lacks_the_blob(blobs: BucketBlobs, store: Server, still: bool) -> None:
    blobs.put(ONE)
    blobs.move()
    if still:
        with store.standing_still():
            assert code_of(lambda: blobs.get(NAME)) == "store-unreachable"
    else:
        store.kill()
        assert code_of(lambda: blobs.get(NAME)) == "store-unreachable"
        store.start()
    assert blobs.has(NAME)
    eventually(lambda: blobs.get(NAME))
    assert blobs.get(NAME) == ONE


def test_a_bucket_that_is_gone_is_not_one_that_lacks_the_blob(blobs: BucketBlobs, store: Server) -> None:
    blobs.put(ONE)
    blobs.move()
    store.lose()
    assert code_of(lambda: blobs.get(NAME)) == "store-gone"
    blobs.put(TWO)
    assert code_of(blobs.move) == "store-gone"
    assert code_of(blobs.stock) == "store-gone"
    assert blobs.has(NAME)
    assert blobs.get(sha256(TWO)) == TWO


@pytest.mark.parametrize(("key", "secret"), [(KEY, "another"), ("another", SECRET)])
def test_keys_that_the_store_does_not_know_are_refused_as_such(
    store: Server, monkeypatch: pytest.MonkeyPatch, key: str, secret: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    bucket = Bucket(store.config())
    for act in (lambda: bucket.put(NAME, ONE), lambda: bucket.get(NAME), lambda: list(bucket.listed()), bucket.try_out):
        assert code_of(act) == "store-denied"


def test_what_the_bucket_lost_is_not_taken_for_kept(blobs: BucketBlobs, store: Server) -> None:
    blobs.put(ONE)
    blobs.move()
    (store.folder / "blobs" / place(NAME)).unlink()
    assert blobs.has(NAME)
    assert blobs.get(NAME) is None
    assert not blobs.has(NAME)
    assert blobs.totals() == (0, 0)


def test_an_object_of_another_size_is_not_read(blobs: BucketBlobs, store: Server) -> None:
    blobs.put(ONE)
    blobs.move()
    (store.folder / "blobs" / place(NAME)).write_bytes(ONE + b"more")
    assert code_of(lambda: blobs.bucket.get(NAME, len(ONE))) == "blob-damaged"
    assert code_of(lambda: blobs.get(NAME)) == "blob-damaged"


def test_what_is_deleted_while_the_bucket_is_away_is_served_no_more_and_leaves_when_it_is_back(
    blobs: BucketBlobs, store: Server, tmp_path: Path
) -> None:
    blobs.put(ONE)
    blobs.move()
    store.kill()
    blobs.remove(NAME)
    assert (blobs.get(NAME), blobs.has(NAME)) == (None, False)
    blobs.close()
    store.start()
    with held_blobs(tmp_path / "node", configured=configured(tmp_path, store)) as reading:
        assert reading.has(NAME)  # it may still be there
    with opened(tmp_path / "node", store.config(timeout=QUICK)) as again:
        assert not again.has(NAME)
        eventually(again.move)
    assert store.objects() == set()


def configured(folder: Path, store: Server) -> Path:
    (folder / "config.toml").write_text(
        f'[store]\nurl = "s3://blobs/vault"\nendpoint = "http://127.0.0.1:{store.port}"\n', "utf-8"
    )
    return folder


def moving(blobs: BucketBlobs, store: Server, meanwhile: Callable[[], None]) -> None:
    """Let ``ONE`` be on its way to the bucket, and do something before it arrives."""
    blobs.put(ONE)
    thread = threading.Thread(target=lambda: eventually(blobs.move))
    with store.standing_still():
        thread.start()
        while not blobs._stored.is_open(NAME):
            continue
        meanwhile()
    thread.join()
    eventually(blobs.move)


def test_what_is_removed_on_its_way_does_not_stay_in_the_bucket(blobs: BucketBlobs, store: Server) -> None:
    moving(blobs, store, lambda: blobs.remove(NAME))
    assert store.objects() == set()
    assert not blobs.has(NAME)
    assert blobs.totals() == (0, 0)


def test_what_is_removed_on_its_way_and_comes_again_is_kept(blobs: BucketBlobs, store: Server) -> None:
    def removed_and_back() -> None:
        blobs.remove(NAME)
        blobs.put(ONE)

    moving(blobs, store, removed_and_back)
    assert blobs.get(NAME) == ONE
    assert store.objects() == {place(NAME)}
    assert blobs.totals() == (1, len(ONE))


@pytest.mark.parametrize("written", [False, True])
def test_a_stop_on_the_way_to_the_bucket_loses_nothing(store: Server, tmp_path: Path, written: bool) -> None:
    with opened(tmp_path / "node", store.config()) as blobs:
        blobs.put(ONE)
        blobs._stored.go([NAME])
        if written:
            blobs.bucket.put(NAME, ONE)
    with opened(tmp_path / "node", store.config()) as again:
        assert again.get(NAME) == ONE
        again.move()
        assert again.get(NAME) == ONE
        assert again.totals() == (1, len(ONE))
    assert waiting(tmp_path / "node") == []


@pytest.mark.parametrize("written", [False, True])
def test_what_was_on_its_way_and_is_not_on_the_disk_is_asked_of_the_bucket(store: Server, tmp_path: Path, written: bool) -> None:
    with opened(tmp_path / "node", store.config()) as blobs:
        blobs._stored.go([NAME])
        if written:
            blobs.bucket.put(NAME, ONE)
        blobs.move()
        assert blobs.get(NAME) == (ONE if written else None)
        assert list(blobs._stored.going()) == []


def test_what_a_folder_held_goes_to_the_bucket_that_is_configured_later(store: Server, tmp_path: Path) -> None:
    folder = Blobs(tmp_path / "node" / "vault" / "blobs")
    for data in (ONE, TWO):
        folder.put(data)
    with opened(tmp_path / "node", store.config()) as blobs:
        assert blobs.get(NAME) == ONE
        blobs.move()
        assert blobs.totals() == (2, len(ONE) + len(TWO))
    assert store.objects() == {place(sha256(ONE)), place(sha256(TWO))}


def test_a_node_that_knows_nothing_of_its_bucket_lists_it_once(store: Server, tmp_path: Path) -> None:
    with opened(tmp_path / "before", store.config()) as blobs:
        blobs.put(ONE)
        blobs.move()
    with opened(tmp_path / "node", store.config()) as blobs:
        assert blobs.get(NAME) == ONE
        assert blobs.totals() == (1, len(ONE))
    store.kill()
    with opened(tmp_path / "node", store.config()) as blobs:
        assert blobs.has(NAME)  # it need not be asked again


def test_a_first_start_without_the_bucket_is_refused(store: Server, tmp_path: Path) -> None:
    store.kill()
    assert code_of(lambda: opened(tmp_path / "node", store.config(timeout=QUICK)).__enter__()) == "store-unreachable"
    store.start()
    assert code_of(lambda: opened(tmp_path / "node", store.config("s3://nobody")).__enter__()) == "store-gone"


def test_another_bucket_must_have_what_the_first_one_had(store: Server, tmp_path: Path) -> None:
    other = store.config("s3://blobs/other")
    with opened(tmp_path / "node", store.config()) as blobs:
        blobs.put(ONE)
        blobs.move()
    assert code_of(lambda: opened(tmp_path / "node", other).__enter__()) == "store-changed"
    with opened(tmp_path / "node", store.config()) as blobs:
        assert blobs.get(NAME) == ONE
    (store.folder / "blobs" / "vault").rename(store.folder / "blobs" / "other")
    with opened(tmp_path / "node", other) as blobs:
        assert blobs.get(NAME) == ONE


def test_a_bucket_is_not_forgotten_by_taking_it_out_of_the_configuration(store: Server, tmp_path: Path) -> None:
    with opened(tmp_path / "node", store.config()) as blobs:
        blobs.put(ONE)
        assert isinstance(blobs, BucketBlobs)
    assert isinstance(open_blobs(tmp_path / "node", Config()), Blobs)  # it never went there
    with opened(tmp_path / "node", store.config()) as blobs:
        blobs.move()
    assert code_of(lambda: open_blobs(tmp_path / "node", Config())) == "store-changed"


def test_many_are_listed_page_by_page_and_deleted_in_portions(store: Server, tmp_path: Path) -> None:
    many = [number.to_bytes(4, "big") * 9 for number in range(1100)]
    with opened(tmp_path / "node", store.config()) as blobs:
        for data in many:
            blobs.bucket.put(sha256(data), data)
        assert set(blobs.stock()) == {sha256(data) for data in many}
        assert blobs.totals() == (1100, 36 * 1100)
        for data in many:
            blobs.remove(sha256(data))
        blobs.move()
    assert store.objects() == set()


def test_many_go_in_portions(store: Server, tmp_path: Path) -> None:
    many = [number.to_bytes(4, "big") * 9 for number in range(200)]
    with opened(tmp_path / "node", store.config()) as blobs:
        for data in many:
            blobs.put(data)
        blobs.move()
        assert blobs.waiting() == (0, 0)
        assert blobs.each(blobs.get, map(sha256, many)) == many


def test_what_is_not_named_like_a_blob_is_passed_over(blobs: BucketBlobs, store: Server) -> None:
    (store.folder / "blobs" / "vault" / "00").mkdir(parents=True)
    (store.folder / "blobs" / "vault" / "00" / ("11" * 32)).write_bytes(ONE)
    (store.folder / "blobs" / "vault" / "notes").write_bytes(ONE)
    assert blobs.stock() == {}


def test_no_more_waits_than_there_is_room_for(store: Server, tmp_path: Path) -> None:
    with opened(tmp_path / "node", store.config(buffer_bytes=len(ONE))) as blobs:
        blobs.put(ONE)
        blobs.require_room()
        blobs.put(TWO)
        assert code_of(blobs.require_room) == "store-full"
        blobs.move()
        blobs.require_room()


def test_the_bucket_is_tried_out_and_nothing_stays(store: Server) -> None:
    assert Bucket(store.config()).try_out() > 0
    assert store.objects() == set()


def test_keys_come_from_the_environment_or_a_private_file_and_from_nowhere_else(
    store: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    named = store.config(credentials=str(path))
    path.write_text(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n", "ascii")
    path.chmod(0o640)
    assert code_of(lambda: Bucket(named).connect()) == "no-store-credentials"
    path.chmod(0o600)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of somebody else")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    Bucket(named).put(NAME, ONE)
    path.write_text("no keys", "ascii")
    assert code_of(lambda: Bucket(named).connect()) == "no-store-credentials"
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert code_of(lambda: Bucket(store.config()).connect()) == "no-store-credentials"


def test_an_endpoint_without_tls_is_on_this_machine_or_said_to_be_safe() -> None:
    def at(endpoint: str, **changed: bool) -> Bucket:
        return Bucket(StoreConfig("s3://blobs", endpoint, **changed))  # type: ignore[arg-type]

    for fine in ("http://127.0.0.1:1", "http://[::1]:1", "http://localhost", "https://store.example", ""):
        at(fine)
    assert code_of(lambda: at("http://store.example")) == "bad-config"
    assert code_of(lambda: at("http://127.0.0.1.example:1")) == "bad-config"
    at("http://store.example", plain_http=True)


@pytest.mark.parametrize(
    "line",
    [
        'url = "https://blobs"',
        'url = "s3://b"',
        'url = "s3://blobs/../x"',
        'url = "s3://key:secret@blobs"',
        'url = "s3://blobs"\nendpoint = "http://key:secret@127.0.0.1"',
        'url = "s3://blobs"\nsecret_access_key = "x"',
        'url = "s3://blobs"\ntimeout_seconds = 0',
    ],
)
def test_a_store_that_is_named_wrongly_refuses_to_start(tmp_path: Path, line: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[store]\n{line}\n", "utf-8")
    with pytest.raises(NodeRefused) as refused:
        read_config(path)
    assert refused.value.code == "bad-config"


def test_a_library_that_is_not_there_refuses_to_start(store: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    assert code_of(lambda: Bucket(store.config()).connect()) == "no-store-client"


def test_the_index_counts_what_it_holds(tmp_path: Path) -> None:
    made = Stored(tmp_path / "stored")
    many = {sha256(bytes([number % 256, number // 256])): number for number in range(5000)}
    made.arrived(many)
    made.leave(sha256(bytes(2)))
    made.close()
    again = Stored(tmp_path / "stored", reading=True)
    assert again.totals() == (4999, sum(many.values()))
    assert dict(again.sizes()) == {blob: size for blob, size in many.items() if size}
    assert list(again.leaving()) == [sha256(bytes(2))]
    again.close()
