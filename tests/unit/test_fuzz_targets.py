"""Every target of the fuzzer takes its seeds, begins from one that is accepted, and stands for a decoder."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fuzz_targets import FIELDS, TARGETS, planted
from salus.errors import SalusError
from test_vectors import KINDS

#: Kinds of vectors without a decoder.
NOT_FUZZED = {"aead", "hpke", "place", "wallet"}


def refused(accept: Callable[[bytes], object], data: bytes) -> bool:
    """Whether the bytes were refused; any other exception gets through."""
    try:
        accept(data)
    except SalusError:
        return True
    return False


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_begins_from_what_is_accepted_and_takes_noise(name: str) -> None:
    target = TARGETS[name]()
    assert target.seeds == (b"",) or not refused(target.accept, target.seeds[0])
    for data in (*target.seeds, b"", b"\x00", b"\xff" * 100, b"{}", bytes(range(256))):
        refused(target.accept, data)


def test_every_kind_of_vector_with_strangers_bytes_is_a_target() -> None:
    assert set(KINDS) - set(TARGETS) == NOT_FUZZED
    assert set(FIELDS) <= set(TARGETS)


def test_the_planted_bug_is_one() -> None:
    planted(b"sa")
    with pytest.raises(IndexError):
        planted(b"salus")
