"""Scenarios by room, and what they share: how a record is broken so that every strict decoder notices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

#: kind, what, expect, fields
Scenario = tuple[str, str, str, dict[str, bytes | int]]
Fields = dict[str, bytes | int]

NOT_DECODABLE, NOT_CANONICAL = "codec/not-decodable", "codec/not-canonical"


def change(record: Any, /, **changes: Any) -> Any:
    """The record with these fields changed, right or wrong."""
    return msgspec.structs.replace(record, **changes)


def flipped(data: bytes, place: int) -> bytes:
    """``data`` with the lowest bit of byte ``place`` changed."""
    at = place % len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def malformed(data: bytes) -> Iterator[tuple[str, bytes, str]]:
    """What strict decoding refuses of any record."""
    yield "cut-off", data[:-1], NOT_DECODABLE
    yield "one-byte-more", data + b"\x00", NOT_DECODABLE
    yield "empty", b"", NOT_DECODABLE
    yield "wide-array-header", b"\xdc\x00" + bytes([data[0] & 0x0F]) + data[1:], NOT_CANONICAL
    yield "other-tag", data[:2] + b"x" + data[3:], NOT_DECODABLE
    yield "a-map", b"\x80", NOT_DECODABLE
    yield "deep", b"\x91" * 4096, NOT_DECODABLE


def reshaped(data: bytes) -> Iterator[tuple[str, bytes, str]]:
    """What strict decoding refuses of a record with fewer than 15 fields, its first byte being the array's header."""
    yield "field-left-out", bytes([data[0] - 1]) + data[1:], NOT_DECODABLE
    yield "field-too-many", bytes([data[0] + 1]) + data[1:] + b"\x00", NOT_DECODABLE
    yield "nothing-for-a-field-too-many", bytes([data[0] + 1]) + data[1:] + b"\xc0", NOT_DECODABLE


def put(data: bytes, found: bytes, instead: bytes) -> bytes:
    """``data`` with ``found``, which stands there once, replaced."""
    if data.count(found) != 1:
        raise ValueError(f"{found!r} stands {data.count(found)} times in the record")
    return data.replace(found, instead)
