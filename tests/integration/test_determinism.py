"""One history, one application hash a block: whatever hash seed, zone, locale, store and order of insertion a process has."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from long_history import Chance, read, write
from many_replays import ROOT, SETTINGS, parting, replays
from salus.ledger.machine import Quota
from salus.ledger.store import load

SEED, COUNT = 12, 2_000

#: What a long history comes to besides what applies; a shorter one lacks only what takes many steps.
REFUSALS = {
    "codec/not-decodable", "codec/too-large", "crypto/bad-signature", "crypto/unsound-key", "ledger/already-erased",
    "ledger/already-revoked", "ledger/bad-schedule", "ledger/blob-erased", "ledger/blob-held", "ledger/entry-changed",
    "ledger/epoch-closed", "ledger/expired", "ledger/expires-too-late", "ledger/no-such-entry", "ledger/no-such-licence",
    "ledger/no-such-member", "ledger/no-such-section", "ledger/not-a-writer", "ledger/not-committed", "ledger/quota-spent",
    "ledger/replayed", "ledger/right-not-given", "ledger/schedule-changed", "ledger/section-exists", "ledger/writer-ended",
    "ledger/writer-exists", "ledger/writer-limit", "ledger/wrong-anchor-number", "ledger/wrong-network",
    "ledger/wrong-signers", "ledger/wrong-status",
}  # fmt: skip


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Counter[str]]:
    """The history's file, and its results by refusal."""
    path = tmp_path_factory.mktemp("history") / "history"
    return path, write(path, SEED, COUNT, 25)


def test_the_history_has_what_applies_and_every_kind_of_refusal(history: tuple[Path, Counter[str]]) -> None:
    _, refusals = history
    assert refusals.total() == COUNT
    assert refusals[""] > COUNT // 2
    assert set(refusals) - {""} >= REFUSALS


def test_the_history_lives_to_see_revocations_forgotten_and_rights_served_from_the_reserve() -> None:
    chance, ever, most = Chance(SEED, COUNT, 25), dict[bytes, None](), 0
    for _ in chance:
        store = chance.ledger.store
        ever.update(dict.fromkeys(store.keys(b"revocations/", b"revocations0")))
        quotas = [load(store, key, Quota) for key in store.keys(b"quotas/", b"quotas0")]
        most = max(most, *(quota.reserve for quota in quotas if quota))
    assert most > 0
    assert 0 < len(list(chance.ledger.store.keys(b"revocations/", b"revocations0"))) < len(ever)


def test_one_history_has_one_application_hash_a_block(history: tuple[Path, Counter[str]]) -> None:
    """TX-14."""
    path, _ = history
    written = [block.root.hex() for block in list(read(path))[1:]]
    outputs = replays(path, SETTINGS[:4])
    assert parting(outputs) == ""
    assert [line.split()[1] for line in outputs[0]] == written


LICENCES, RECEIPTS, MACHINE, STORE = (
    f"salus/ledger/{name}.py" for name in ("modules/licences/handlers", "modules/receipts/handlers", "machine", "store")
)
ANCHORED, DUE = "message.sections, context.time,", "in due(state, block.time):"
RANGE = "self._order[bisect_left(self._order, first) : bisect_left(self._order, last)]"

#: What makes the ledger hang on what must not count: (file, what is there, what is put there instead).
PLANTS = {
    "a set's order": [(LICENCES, "message.card, message.rights,", "message.card, tuple(set(message.rights)),")],
    "the zone": [(RECEIPTS, ANCHORED, "message.sections, __import__('time').localtime(0).tm_hour,")],
    "the clock": [(RECEIPTS, ANCHORED, "message.sections, __import__('time').time_ns() // 1000,")],
    "the locale": [(RECEIPTS, ANCHORED, "len(__import__('os').environ['LC_ALL']), context.time,")],
    "chance": [(RECEIPTS, ANCHORED, "message.sections, __import__('random').randrange(2**50),")],
    "memory addresses": [(RECEIPTS, ANCHORED, "message.sections, id(object()) % 2**50,")],
    "the order of insertion": [
        (MACHINE, DUE, "in list(due(state, block.time))[:3]:"),
        (STORE, RANGE, "[key for key in self._data if first <= key < last]"),
    ],
}


@pytest.mark.parametrize("plant", PLANTS)
def test_whatever_must_not_count_is_noticed_when_it_counts(plant: str, tmp_path: Path) -> None:
    write(tmp_path / "history", SEED, 300, 10)
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src" / "salus", source / "salus", ignore=shutil.ignore_patterns("__pycache__"))
    for file, find, put in PLANTS[plant]:
        text = (source / file).read_text("utf-8")
        assert text.count(find) == 1
        (source / file).write_text(text.replace(find, put), "utf-8")
    assert parting(replays(tmp_path / "history", SETTINGS[:2], source))


def test_where_processes_part_is_named() -> None:
    assert parting([["1 a", "2 b"], ["1 a", "2 b"]]) == ""
    assert parting([["1 a", "2 b"], ["1 a", "2 c"]]) == "2 b | 2 c"
    assert parting([["1 a", "2 b"], ["1 a"]]) == "2 b | nothing"
