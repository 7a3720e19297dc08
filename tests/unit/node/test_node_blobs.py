"""What blobs promise wherever they lie: in a folder, on this disk on their way to a bucket, or in the bucket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bucket_world import keys, missing, server
from salus.crypto.hashing import sha256
from salus.errors import NodeRefused
from salus.node.config import Config
from salus.node.vault.arriving import Arriving
from salus.node.vault.blobs import Blobs
from salus.node.vault.lying import open_blobs
from salus.node.vault.pushed import PushedBlobs

ONE, TWO, BODY, MEMBER = b"one" * 50, b"two" * 70, b"\x07" * 32, b"\x08" * 32


class Lying:
    """The blobs of one node; ``moves``: whether what is settled goes on to where it is to lie."""

    def __init__(self, node: Path, config: Config, *, moves: bool) -> None:
        self.node, self._config, self._moves = node, config, moves
        self.blobs = self._opened()

    def settle(self) -> None:
        """What was put or kept is where it is to lie."""
        if self._moves:
            self.blobs.move()

    def again(self) -> Blobs:
        """The same after a stop."""
        self.blobs.close()
        self.blobs = self._opened()
        return self.blobs

    def _opened(self) -> Blobs:
        blobs = open_blobs(self.node, self._config)
        blobs.begin()
        return blobs


@pytest.fixture(params=["folder", "waiting", "bucket"])
def lying(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lying]:
    if request.param == "folder":
        yield Lying(tmp_path / "node", Config(), moves=True)
        return
    if missing():
        pytest.skip(missing())
    with server(tmp_path) as store, keys():
        made = Lying(tmp_path / "node", Config(store=store.config()), moves=request.param == "bucket")
        yield made
        made.blobs.close()


def test_what_was_put_is_there_as_it_was(lying: Lying) -> None:
    blobs, name = lying.blobs, sha256(ONE)
    assert blobs.put(ONE)
    lying.settle()
    assert blobs.get(name) == ONE
    assert blobs.has(name)
    assert blobs.size(name) == len(ONE)


def test_what_was_put_is_there_after_a_stop(lying: Lying) -> None:
    lying.blobs.put(ONE)
    lying.settle()
    again = lying.again()
    assert again.get(sha256(ONE)) == ONE
    assert again.totals() == (1, len(ONE))


def test_what_was_never_put_is_not_there(lying: Lying) -> None:
    name = sha256(TWO)
    assert (lying.blobs.get(name), lying.blobs.size(name), lying.blobs.has(name)) == (None, None, False)


def test_what_is_there_is_not_put_twice(lying: Lying) -> None:
    lying.blobs.put(ONE)
    lying.settle()
    lying.blobs.put(ONE)
    lying.settle()
    assert lying.blobs.totals() == (1, len(ONE))
    assert list(lying.blobs.stock()) == [sha256(ONE)]


def test_what_is_removed_is_gone_also_after_a_stop(lying: Lying) -> None:
    name = sha256(ONE)
    lying.blobs.put(ONE)
    lying.blobs.put(TWO)
    lying.settle()
    lying.blobs.remove(name)
    assert (lying.blobs.get(name), lying.blobs.has(name), lying.blobs.totals()) == (None, False, (1, len(TWO)))
    lying.settle()
    assert not lying.again().has(name)
    assert list(lying.blobs.stock()) == [sha256(TWO)]


def test_what_was_removed_may_come_again(lying: Lying) -> None:
    name = sha256(ONE)
    lying.blobs.put(ONE)
    lying.settle()
    lying.blobs.remove(name)
    lying.blobs.put(ONE)
    lying.settle()
    assert lying.blobs.get(name) == ONE
    assert lying.again().get(name) == ONE
    assert lying.blobs.totals() == (1, len(ONE))


def test_removing_what_is_not_there_does_nothing(lying: Lying) -> None:
    lying.blobs.remove(sha256(ONE))
    lying.settle()
    assert lying.blobs.totals() == (0, 0)


def test_all_that_is_there_is_in_stock_with_its_time(lying: Lying) -> None:
    before = time.time() - 5
    for data in (ONE, TWO):
        lying.blobs.put(data)
    lying.settle()
    stock = lying.blobs.stock()
    assert set(stock) == {sha256(ONE), sha256(TWO)}
    assert all(before < came < time.time() + 5 for came in stock.values())


def test_what_arrives_and_is_kept_leaves_the_folder_of_what_arrives(lying: Lying) -> None:
    folder = lying.node / "vault" / "arriving"
    arriving = Arriving(lying.blobs, folder)
    fresh = arriving.bring(BODY, (ONE, TWO))
    arriving.keep(BODY, fresh)
    lying.blobs.settle()
    lying.settle()
    assert list(folder.iterdir()) == []
    assert [lying.blobs.get(blob) for blob in fresh] == [ONE, TWO]
    assert Arriving(lying.blobs, folder).bring(BODY, (ONE,)) == []


def test_what_was_withdrawn_never_goes_anywhere(lying: Lying) -> None:
    arriving = Arriving(lying.blobs, lying.node / "vault" / "arriving")
    arriving.withdraw(BODY, arriving.bring(BODY, (ONE,)))
    lying.settle()
    assert lying.blobs.stock() == {}
    assert lying.blobs.totals() == (0, 0)


def test_what_was_pushed_and_adopted_is_there(lying: Lying) -> None:
    pushed = PushedBlobs(lying.blobs, lying.node / "vault" / "pushed", 1000, lambda: 0)  # type: ignore[arg-type, return-value]
    pushed.take(MEMBER, {sha256(ONE): ONE})
    assert pushed.adopt([sha256(ONE)]) == {sha256(ONE)}
    lying.settle()
    assert lying.blobs.get(sha256(ONE)) == ONE


def test_each_answers_in_order(lying: Lying) -> None:
    lying.blobs.put(ONE)
    lying.settle()
    wanted = [sha256(TWO), sha256(ONE)] * 20
    assert lying.blobs.each(lying.blobs.get, wanted) == [None, ONE] * 20


def test_what_is_not_what_it_was_is_not_given_out(lying: Lying, tmp_path: Path) -> None:
    name = sha256(ONE)
    lying.blobs.put(ONE)
    lying.settle()
    (place,) = tmp_path.rglob(name.hex())
    place.write_bytes(TWO[: len(ONE)])
    with pytest.raises(NodeRefused) as refused:
        lying.blobs.get(name)
    assert refused.value.code == "blob-damaged"
