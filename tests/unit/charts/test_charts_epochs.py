"""Key packages: opened by their holders, the cold seed and the history before; by nobody else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from charts_world import SECTION, some
from salus.charts.epochs import (
    KeyPackage,
    make_package,
    new_epoch_keys,
    open_previous,
    open_recovery,
    open_slot,
    read_package,
    seal_key_hash,
)
from salus.codec import decode, encode
from salus.crypto import hpke
from salus.errors import SalusError

OLD, NEW = new_epoch_keys(), new_epoch_keys()
COLD = some("cold")


def package(*holders: tuple[bytes, bool], number: int = 1, **options: Any) -> bytes:
    return make_package(SECTION, number, NEW, options.get("previous", OLD), hpke.public_key(COLD), holders)


def refused(act: Any, *args: Any) -> str:
    with pytest.raises(SalusError) as error:
        act(*args)
    return error.value.full_code


def test_each_epoch_has_keys_of_its_own() -> None:
    one, other = new_epoch_keys(), new_epoch_keys()
    found = {one.seal_seed, one.history, other.seal_seed, other.history}
    assert [len(secret) for secret in found] == [32] * 4
    assert seal_key_hash(b"a") != seal_key_hash(b"b")


def test_holders_open_their_slot_with_or_without_history() -> None:
    data = package((some("device"), True), (some("standing"), False), (some("third"), True))
    assert open_slot(data, some("device"), SECTION, 1) == NEW
    limited = open_slot(data, some("standing"), SECTION, 1)
    assert (limited.seal_seed, limited.history) == (NEW.seal_seed, bytes(32))
    assert refused(open_slot, data, some("stranger"), SECTION, 1) == "charts/no-slot"


def test_the_cold_seed_recovers_and_history_leads_back() -> None:
    data = package()
    assert open_recovery(data, COLD, SECTION, 1) == NEW
    assert open_previous(data, NEW.history, SECTION, 1) == OLD
    assert refused(open_recovery, data, some("x"), SECTION, 1) == "crypto/cannot-open"
    assert refused(open_previous, data, some("x"), SECTION, 1) == "crypto/cannot-open"
    assert refused(open_previous, data, bytes(32), SECTION, 1) == "charts/no-history"
    first = package(number=0, previous=None)
    assert refused(open_previous, first, NEW.history, SECTION, 0) == "charts/no-history"


def test_a_package_is_of_one_section_and_one_epoch() -> None:
    data = package((some("device"), True))
    for section, number in ((some("x"), 1), (SECTION, 2)):
        assert refused(read_package, data, section, number) == "charts/wrong-package"
        assert refused(open_slot, data, some("device"), section, number) == "charts/wrong-package"
    assert refused(read_package, data + b"\x00", SECTION, 1).startswith("codec/")


def test_a_pair_that_is_not_the_packages_is_refused() -> None:
    read = decode(package((some("device"), True)), KeyPackage, limit=100_000)
    forged = encode(msgspec.structs.replace(read, seal_key=hpke.public_key(some("x"))))
    assert refused(open_slot, forged, some("device"), SECTION, 1) == "crypto/cannot-open"
    assert refused(open_recovery, forged, COLD, SECTION, 1) == "crypto/cannot-open"


def test_the_number_of_holders_is_hidden_up_to_eight_and_then_up_to_a_power_of_two() -> None:
    """SEC-14: sizes are the same, and the slots stand in an order that tells nothing."""
    for holders, slots in ((0, 8), (1, 8), (7, 8), (8, 8), (9, 16), (17, 32)):
        data = package(*((some(f"holder {n}"), n % 2 == 0) for n in range(holders)))
        found = read_package(data, SECTION, 1).slots
        assert len(found) == slots
        assert [slot.tag for slot in found] == sorted(slot.tag for slot in found)
    assert len({len(package(*((some(f"h{n}"), True) for n in range(count)))) for count in range(9)}) == 1
