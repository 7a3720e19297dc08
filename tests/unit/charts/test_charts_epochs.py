"""Key packages: opened by their holders, the cold seed and the history before; by nobody else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from charts_world import SECTION, some
from salus.charts.epochs import (
    KeyPackage,
    epoch_keys,
    make_package,
    open_previous,
    open_recovery,
    open_slot,
    read_package,
    seal_key_hash,
)
from salus.codec import decode, encode
from salus.crypto import hpke
from salus.errors import SalusError

OLD, NEW = epoch_keys(some("secret"), 0), epoch_keys(some("secret"), 1)
COLD = some("cold")


def package(*holders: tuple[bytes, bool], number: int = 1, **options: Any) -> bytes:
    return make_package(SECTION, number, NEW, options.get("previous", OLD), hpke.public_key(COLD), holders)


def refused(act: Any, *args: Any) -> str:
    with pytest.raises(SalusError) as error:
        act(*args)
    return error.value.full_code


def test_each_epoch_has_keys_of_its_own() -> None:
    assert len({OLD.seal_seed, OLD.history, NEW.seal_seed, NEW.history}) == 4
    assert epoch_keys(some("secret"), 0) == OLD
    assert seal_key_hash(b"a") != seal_key_hash(b"b")


def test_holders_open_their_slot_with_or_without_history() -> None:
    data = package((some("device"), True), (some("standing"), False), (some("third"), True))
    assert open_slot(data, some("device"), SECTION, 1) == NEW
    limited = open_slot(data, some("standing"), SECTION, 1)
    assert (limited.seal_seed, limited.history) == (NEW.seal_seed, bytes(32))
    assert refused(open_slot, data, some("stranger"), SECTION, 1) == "charts/no-slot"
    assert len(read_package(data, SECTION, 1).slots) == 4  # the number of holders is hidden up to a power of two


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
