"""Canonical bytes, ids and errors: what decodes is what encoding would have produced, everything else is refused by code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from salus import errors, ids
from salus.codec import Record, decode, encode, require_canonical
from salus.errors import Malformed, SalusError
from salus.ids import Bytes32, Count


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Point(Record, frozen=True, tag="point"):
    x: Count
    y: Count


class Shape(Record, frozen=True, tag="shape"):
    identity: Bytes32
    name: Annotated[str, msgspec.Meta(max_length=8)]
    points: Annotated[tuple[Point, ...], msgspec.Meta(max_length=3)]
    colour: Colour
    inner: Point | None = None


SHAPE = Shape(bytes(range(32)), "häl", (Point(1, 128), Point(3, ids.MAX_INT)), Colour.RED, Point(0, 0))
BYTES = encode(SHAPE)
ID = b"\xc4\x20" + bytes(range(32))
POINT = b"\x93\xa5point"


def refusal(data: bytes, shape: type[Record] = Shape, limit: int = 1_000) -> str:
    with pytest.raises(Malformed) as refused:
        decode(data, shape, limit=limit)
    return refused.value.full_code


def test_what_was_encoded_decodes_to_the_same_value() -> None:
    """ENC-1, ENC-3: a record is the array of its tag and its fields."""
    assert decode(BYTES, Shape, limit=len(BYTES)) == SHAPE
    assert encode(Point(1, 2)) == b"\x93\xa5point\x01\x02"


def test_one_byte_more_than_the_limit_is_refused_before_decoding() -> None:
    """ENC-7."""
    assert refusal(BYTES, limit=len(BYTES) - 1) == "codec/too-large"
    assert refusal(b"\xc1" * 1_001) == "codec/too-large"


def test_every_truncation_is_refused() -> None:
    for length in range(len(BYTES)):
        assert refusal(BYTES[:length]) == "codec/not-decodable"


@pytest.mark.parametrize("tail", [b"\x00", b"\xc0", BYTES])
def test_bytes_behind_the_value_are_refused(tail: bytes) -> None:
    """ENC-2."""
    assert refusal(BYTES + tail) == "codec/not-decodable"


def test_every_flipped_bit_is_refused_or_gives_another_value() -> None:
    """ENC-2: no two byte strings decode to one value."""
    codes = set()
    for index in range(len(BYTES)):
        for bit in range(8):
            data = bytearray(BYTES)
            data[index] ^= 1 << bit
            try:
                assert decode(bytes(data), Shape, limit=1_000) != SHAPE
            except Malformed as refused:
                codes.add(refused.full_code)
    assert codes <= {"codec/not-decodable", "codec/not-canonical"}


@pytest.mark.parametrize(
    ("what", "data", "code"),
    [
        ("an integer in two bytes", POINT + b"\xcc\x01\x02", "not-canonical"),
        ("an integer in nine bytes", POINT + b"\xcf" + bytes(7) + b"\x01\x02", "not-canonical"),
        ("a signed integer", POINT + b"\xd0\x01\x02", "not-canonical"),
        ("a wide array header", b"\xdc\x00\x03\xa5point\x01\x02", "not-canonical"),
        ("a wider array header", b"\xdd\x00\x00\x00\x03\xa5point\x01\x02", "not-canonical"),
        ("a wide text header", b"\x93\xd9\x05point\x01\x02", "not-canonical"),
        ("a negative integer", POINT + b"\xff\x02", "not-decodable"),
        ("an integer above 2^53 - 1", POINT + b"\xcf\x00\x20" + bytes(6) + b"\x02", "not-decodable"),
        ("a float", POINT + b"\xcb\x3f\xf0" + bytes(6) + b"\x02", "not-decodable"),
        ("a boolean", POINT + b"\xc3\x02", "not-decodable"),
        ("nothing", POINT + b"\xc0\x02", "not-decodable"),
        ("a text for an integer", POINT + b"\xa11\x02", "not-decodable"),
        ("one field too few", b"\x92\xa5point\x01", "not-decodable"),
        ("one field too many", b"\x94\xa5point\x01\x02\x03", "not-decodable"),
        ("another tag", b"\x93\xa5paint\x01\x02", "not-decodable"),
        ("a tag that is no text", b"\x93\x01\x01\x02", "not-decodable"),
        ("no tag", b"\x92\x01\x02", "not-decodable"),
        ("an empty array", b"\x90", "not-decodable"),
        ("a map in place of the array", msgspec.msgpack.encode({"type": "point", "x": 1, "y": 2}), "not-decodable"),
        ("a field named twice in a map", b"\x83\xa1x\x01\xa1x\x01\xa1y\x02", "not-decodable"),
        ("no bytes at all", b"", "not-decodable"),
        ("a byte that MessagePack never uses", b"\xc1", "not-decodable"),
        ("an extension", b"\xd4\x01\x01", "not-decodable"),
        ("arrays nested a hundred thousand deep", b"\x91" * 100_000, "not-decodable"),
        ("arrays nested in a field", POINT + b"\x91" * 100_000, "not-decodable"),
        ("maps nested a hundred thousand deep", b"\x81" * 100_000, "not-decodable"),
        ("an array that claims four thousand million elements", b"\xdd\xff\xff\xff\xff\xa5point", "not-decodable"),
        ("bytes that claim four thousand million", b"\xc6\xff\xff\xff\xff", "not-decodable"),
    ],
)
def test_a_second_spelling_or_another_shape_is_refused(what: str, data: bytes, code: str) -> None:
    """ENC-2, ENC-3, ENC-4, ENC-8."""
    assert refusal(data, Point, limit=200_000) == f"codec/{code}", what


@pytest.mark.parametrize(
    ("what", "data", "code"),
    [
        ("a text that is not UTF-8", ID + b"\xa2\xff\xfe\x90\xa3red\xc0", "not-decodable"),
        ("half of a surrogate pair", ID + b"\xa3\xed\xa0\x80\x90\xa3red\xc0", "not-decodable"),
        ("an overlong UTF-8 sequence", ID + b"\xa2\xc0\x80\x90\xa3red\xc0", "not-decodable"),
        ("a text that is too long", ID + b"\xa9ninechars\x90\xa3red\xc0", "not-decodable"),
        ("bytes in place of text", ID + b"\xc4\x01a\x90\xa3red\xc0", "not-decodable"),
        ("an id of 31 bytes", b"\xc4\x1f" + bytes(31) + b"\xa1a\x90\xa3red\xc0", "not-decodable"),
        ("an id of 33 bytes", b"\xc4\x21" + bytes(33) + b"\xa1a\x90\xa3red\xc0", "not-decodable"),
        ("an id as text", b"\xd9\x20" + b"a" * 32 + b"\xa1a\x90\xa3red\xc0", "not-decodable"),
        ("a wide header of bytes", b"\xc5\x00\x20" + bytes(32) + b"\xa1a\x90\xa3red\xc0", "not-canonical"),
        ("four elements where three are allowed", ID + b"\xa1a\x94" + encode(Point(1, 1)) * 4 + b"\xa3red\xc0", "not-decodable"),
        ("a list that claims to be endless", ID + b"\xa1a\xdd\xff\xff\xff\xff", "not-decodable"),
        ("a value that is not one of the enumeration", ID + b"\xa1a\x90\xa5green\xc0", "not-decodable"),
    ],
)
def test_a_field_out_of_its_range_is_refused(what: str, data: bytes, code: str) -> None:
    """ENC-5, ENC-6."""
    assert refusal(b"\x96\xa5shape" + data) == f"codec/{code}", what


def test_a_default_that_was_left_out_is_refused() -> None:
    """ENC-3: all fields stand there, also those that have a default."""
    assert refusal(b"\x95\xa5shape" + ID + b"\xa1a\x90\xa3red") == "codec/not-canonical"
    assert decode(b"\x96\xa5shape" + ID + b"\xa1a\x90\xa3red\xc0", Shape, limit=100).inner is None


def test_a_choice_of_records_is_told_by_the_tag() -> None:
    assert decode(encode(Point(1, 2)), Point | Shape, limit=100) == Point(1, 2)
    with pytest.raises(Malformed) as refused:
        decode(b"\x92\xa5other\x01", Point | Shape, limit=100)
    assert str(refused.value) == "codec/not-decodable: not a record"


def test_other_bytes_than_the_canonical_ones_are_refused() -> None:
    require_canonical(b"a", b"a")
    with pytest.raises(Malformed) as refused:
        require_canonical(b"a", b"b")
    assert refused.value.full_code == "codec/not-canonical"


def test_an_id_is_shown_as_lower_case_hexadecimal() -> None:
    """ENC-11."""
    assert ids.show(bytes([0, 0xAB]) + bytes(30)) == "00ab" + "00" * 30


def test_an_error_says_its_code_and_one_line() -> None:
    """ERR-1."""
    assert str(errors.LedgerRefused("expired", "too late")) == "ledger/expired: too late"
    assert str(errors.LedgerRefused("expired")) == "ledger/expired"
    assert errors.LedgerRefused("expired").full_code == "ledger/expired"


def test_every_kind_of_error_has_a_codespace_of_its_own() -> None:
    """ERR-1."""
    kinds = SalusError.__subclasses__()
    spaces = [kind.codespace for kind in kinds]
    assert len(set(spaces)) == len(spaces)
    assert all(re.fullmatch("[a-z]+", space) for space in spaces)
    assert "salus" not in spaces


def test_a_full_code_gives_back_the_error_that_it_names() -> None:
    """ERR-1: what a node refused is raised at the agent as the same kind."""
    for kind in SalusError.__subclasses__():
        made = errors.refusal(f"{kind.codespace}/some-code", "why")
        assert type(made) is kind
        assert str(made) == f"{kind.codespace}/some-code: why"


@pytest.mark.parametrize("code", ["", "expired", "nobody/expired", "salus/expired", "Ledger/expired", "/expired"])
def test_a_code_of_no_known_kind_is_no_refusal(code: str) -> None:
    with pytest.raises(ValueError, match="unknown codespace"):
        errors.refusal(code, "why")


def test_first_decodes_in_many_threads_at_once_end_no_process() -> None:
    """It is by chance where threads meet, so that a few processes try."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    for _ in range(5):
        done = subprocess.run([sys.executable, "-m", "first_decodes"], env={**os.environ, "PYTHONPATH": path}, check=False)
        assert done.returncode == 0
