"""Canonical bytes: one value, one encoding; decoding refuses whatever encoding would not have produced.

The format is MessagePack with structs as arrays (``[tag, field, ...]``), see ``spec/encoding.md``. Shapes are `Record`
subclasses; every length and range stands in the annotation, no shape nests in itself, and so decoding is bounded in depth,
count and size. ::

    class Point(Record, tag="point"):
        x: Count
        y: Count

    assert decode(encode(Point(1, 2)), Point, limit=64) == Point(1, 2)
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

from salus.errors import Malformed

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}
_json_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
#: msgspec 0.22 works a shape out when it first makes a decoder for it or for one that holds it, and shows it half made to other
#: threads meanwhile, which then read a null pointer: two first requests at once would end a node.
_making = threading.Lock()


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """The parent of every shape that is hashed, signed, stored or sent. Subclasses name their ``tag``."""


def encode(value: Record) -> bytes:
    """The canonical bytes of ``value``."""
    return _encoder.encode(value)


def decode(data: bytes, shape: type[T], *, limit: int) -> T:
    """The value whose canonical bytes are ``data``.

    Raises `Malformed` with ``too-large`` (more than ``limit`` bytes), ``not-decodable`` or ``not-canonical``.
    """
    if len(data) > limit:
        raise Malformed("too-large", f"{len(data)} bytes where at most {limit} are allowed")
    decoder = _decoders.get(shape)
    if decoder is None:
        with _making:
            decoder = _decoders[shape] = msgspec.msgpack.Decoder(shape)
    try:
        value: T = decoder.decode(data)
        canonical = _encoder.encode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError) as error:
        raise Malformed("not-decodable", f"not a {_name(shape)}") from error
    require_canonical(canonical, data)
    return value


def decode_json(data: bytes, shape: type[T]) -> T:
    """The value of ``data``, which is JSON by any writer's hand; ``msgspec.DecodeError`` where it is not of the shape."""
    decoder = _json_decoders.get(shape)
    if decoder is None:
        with _making:
            decoder = _json_decoders[shape] = msgspec.json.Decoder(shape)
    value: T = decoder.decode(data)
    return value


def require_canonical(canonical: bytes, received: bytes) -> None:
    """Raise `Malformed` ``not-canonical`` unless both are the same bytes."""
    if canonical != received:
        raise Malformed("not-canonical", "the bytes are not the one canonical form")


def _name(shape: Any) -> str:
    return str(getattr(shape, "__name__", "record"))
