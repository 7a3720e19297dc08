"""Values of any shape of the wire, made from its annotations: with one text in every field, or whatever hypothesis chooses."""

from __future__ import annotations

import re
from typing import Any

import msgspec.inspect as look
from hypothesis import strategies as st
from msgspec import convert

from salus.codec import Record

_MOST = 3  # of what a list may hold more of
_LONG = 256  # bytes


def filled(shape: type[Record], text: str) -> Record:
    """A value of ``shape`` that has ``text``, repeated or cut to length, wherever it may."""
    return convert(_filled(look.type_info(shape), text), shape, strict=False)


def _filled(kind: look.Type, text: str) -> Any:
    match kind:
        case look.StructType():
            return [kind.tag, *(_filled(field.type, text) for field in kind.fields)]
        case look.Metadata():
            return _filled(kind.type, text)
        case look.UnionType():
            return _filled(next(each for each in kind.types if not isinstance(each, look.NoneType)), text)
        case look.TupleType():
            return [_filled(item, text) for item in kind.item_types]
        case look.VarTupleType():
            return [_filled(kind.item_type, text)] * max(1, kind.min_length or 0)
        case look.StrType(pattern=None):
            return _sized(text, kind.min_length, kind.max_length)
        case look.BytesType():
            return _sized(text, kind.min_length, kind.max_length).encode()
        case look.IntType():
            return max(1, kind.ge or 0)
        case look.EnumType():
            return next(iter(kind.cls)).value
        case look.LiteralType():
            return kind.values[0]
        case look.BoolType():
            return True
        case look.StrType(pattern=pattern):
            return next(each for each in (text, f"http://{text}", "de") if re.search(pattern or "", each))
    raise TypeError(kind)


def _sized(text: str, least: int | None, most: int | None) -> str:
    length = min(max(len(text), least or 0), most if most is not None else len(text))
    return (text * (length // len(text) + 1))[:length]


def anything(shape: Any, known: tuple[bytes, ...] = ()) -> st.SearchStrategy[Any]:
    """Any value of ``shape``, with short lists; where there is room for an id or a key it is often one of ``known``."""
    return _anything(look.type_info(shape), known).map(lambda made: convert(made, shape, strict=False))


def _anything(kind: look.Type, known: tuple[bytes, ...]) -> st.SearchStrategy[Any]:
    match kind:
        case look.StructType():
            return st.tuples(st.just(kind.tag), *(_anything(field.type, known) for field in kind.fields)).map(list)
        case look.Metadata():
            return _anything(kind.type, known)
        case look.UnionType():
            return st.one_of(*(_anything(each, known) for each in kind.types))
        case look.NoneType():
            return st.none()
        case look.TupleType():
            return st.tuples(*(_anything(each, known) for each in kind.item_types)).map(list)
        case look.VarTupleType():
            least = kind.min_length or 0
            return st.lists(
                _anything(kind.item_type, known), min_size=least, max_size=min(least + _MOST, _bound(kind.max_length))
            )
        case look.StrType():
            most = min(_bound(kind.max_length), 40)
            if kind.pattern:
                return st.from_regex(kind.pattern).filter(lambda text: len(text) <= most)
            return st.text(min_size=kind.min_length or 0, max_size=most)
        case look.BytesType():
            least, most = kind.min_length or 0, _bound(kind.max_length)
            if least > _LONG:  # a key or a signature: a few bytes by chance, over and over
                return st.binary(min_size=1, max_size=8).map(lambda some: (some * (least // len(some) + 1))[:least])
            free = st.binary(min_size=least, max_size=min(most, max(least, 64)))
            fit = [each for each in known if least <= len(each) <= most]
            return st.sampled_from(fit) | free if fit else free
        case look.IntType():
            return st.integers(kind.ge or 0, kind.le if kind.le is not None else 2**53 - 1)
        case look.EnumType():
            return st.sampled_from([each.value for each in kind.cls])
        case look.LiteralType():
            return st.sampled_from(kind.values)
        case look.BoolType():
            return st.booleans()
    raise TypeError(kind)


def _bound(most: int | None) -> int:
    return 1 << 30 if most is None else most
