"""Changed bytes by chance from a seed: bits, bytes, cuts, splices, single fields in canonical bytes; and what becomes of them.

A format says how its bytes are accepted, by the product's own checks. A mutant must be refused by a `SalusError`: accepted, or
ended by any other exception, it is a failure. Mutant ``number`` of a format is the same for the same seed and samples.
"""

from __future__ import annotations

import random
import sys
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec

from salus.codec import Record, encode
from salus.errors import SalusError

MEASURED = 40  # every so many mutants of a format, one is measured
SLACK_BYTES, SLACK_CALLS = 8 * 1024 * 1024, 20_000
_EDGES = (0x00, 0x01, 0x7F, 0x80, 0x90, 0xC0, 0xC4, 0xCF, 0xDC, 0xFF)
_NUMBERS = (0, 1, 127, 128, 255, 256, 2**16, 2**31, 2**32, 2**53 - 1, 2**53, 2**63, -1)


def same(data: bytes) -> bytes:
    """The bytes themselves."""
    return data


@dataclass(frozen=True)
class Sample:
    """Bytes that are accepted, and how: ``accept`` raises a `SalusError` for others. ``fields`` changes one field by chance."""

    data: bytes
    accept: Callable[[bytes], object]
    fields: Callable[[random.Random, bytes], bytes] | None = None


@dataclass(frozen=True)
class Format:
    """``tolerant``: other bytes may be fine as well (nobody signed them), and ``accept`` itself asserts what must hold."""

    name: str
    samples: tuple[Sample, ...]
    tolerant: bool = False
    normal: Callable[[bytes], bytes] = same  # what of the bytes counts, where something around them does not


@dataclass(frozen=True)
class Failure:
    """A mutant that was accepted, or that ended otherwise than by a refusal: ``text`` says how."""

    format: str
    number: int
    kind: str
    text: str
    mutant: bytes


@dataclass
class Outcome:
    """What became of the mutants of a format. ``most_bytes`` and ``most_calls`` are those of the measured ones."""

    tried: int = 0
    kept: int = 0  # accepted by a tolerant format
    refused: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    most_bytes: int = 0
    most_calls: int = 0


def run(form: Format, seed: int, count: int) -> Outcome:
    """Try ``count`` mutants of the format, in turn of each sample; what came out as a sample is not one."""
    found, known = Outcome(), {form.normal(sample.data) for sample in form.samples}
    bounds = [_bounds(sample) for sample in form.samples]
    for number, (which, kind, mutant) in enumerate(mutants(form, seed, 2 * count)):
        if found.tried == count:
            break
        if form.normal(mutant) in known:
            continue
        found.tried += 1
        found.kinds[kind] += 1
        sample = form.samples[which]
        _try(form, sample, number, kind, mutant, found)
        if number % MEASURED == 0:
            _measure(form, sample, number, kind, mutant, bounds[which], found)
    return found


def mutants(form: Format, seed: int, count: int) -> Iterator[tuple[int, str, bytes]]:
    """(which sample, kind of change, bytes) of ``count`` mutants."""
    for number in range(count):
        chance = random.Random(f"{seed}/{form.name}/{number}")
        which = number % len(form.samples)
        sample, other = form.samples[which], chance.choice(form.samples)
        kinds = [kind for kind in KINDS if kind != "field" or sample.fields is not None]
        kind = chance.choices(kinds, [KINDS[kind] for kind in kinds])[0]
        if kind == "field" and sample.fields is not None:
            yield which, kind, sample.fields(chance, other.data if chance.random() < 0.1 else sample.data)
        else:
            yield which, kind, _CHANGES[kind](chance, sample.data, other.data)


def _try(form: Format, sample: Sample, number: int, kind: str, mutant: bytes, found: Outcome) -> None:
    try:
        sample.accept(mutant)
    except SalusError as refusal:
        found.refused[refusal.full_code] += 1
    except Exception:
        found.failures.append(Failure(form.name, number, kind, traceback.format_exc(limit=-6), mutant))
    else:
        found.kept += 1
        if not form.tolerant:
            found.failures.append(Failure(form.name, number, kind, "accepted", mutant))


def _measure(
    form: Format, sample: Sample, number: int, kind: str, mutant: bytes, bounds: tuple[int, int], found: Outcome
) -> None:
    """Whether the mutant takes not much more memory and work than what is accepted; work is counted in calls, not in seconds."""
    size, calls = _cost(sample, mutant)
    found.most_bytes, found.most_calls = max(found.most_bytes, size), max(found.most_calls, calls)
    if size > 2 * bounds[0] + SLACK_BYTES or calls > 3 * bounds[1] + SLACK_CALLS:
        found.failures.append(Failure(form.name, number, kind, f"takes {size} bytes and {calls} calls", mutant))


def _bounds(sample: Sample) -> tuple[int, int]:
    return _cost(sample, sample.data)


def _cost(sample: Sample, data: bytes) -> tuple[int, int]:
    """(bytes at most at a time, calls) that a look at ``data`` takes."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += 1

    tracemalloc.start()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        sample.accept(data)
    except Exception:
        calls += 1  # what it was is told by `_try`; here it only has its price
    finally:
        sys.setprofile(before)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return size, calls


def _flip(chance: random.Random, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _set(chance: random.Random, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        changed[chance.randrange(len(changed))] = chance.choice((*_EDGES, chance.randrange(256)))
    return bytes(changed)


def _cut(chance: random.Random, data: bytes, other: bytes) -> bytes:
    end = chance.choice((chance.randrange(len(data)), len(data) - 1, chance.randrange(min(len(data), 64))))
    return data[:end] if chance.random() < 0.8 else data[-end:] if end else b""


def _delete(chance: random.Random, data: bytes, other: bytes) -> bytes:
    start, size = chance.randrange(len(data)), chance.choice((1, 1, 2, 32, 64))
    return data[:start] + data[start + size :]


def _insert(chance: random.Random, data: bytes, other: bytes) -> bytes:
    at, from_ = chance.randrange(len(data) + 1), chance.randrange(len(other))
    piece = chance.choice((chance.randbytes(chance.randint(1, 8)), other[from_ : from_ + chance.randint(1, 64)], bytes(1)))
    return data[:at] + piece + data[at:]


def _splice(chance: random.Random, data: bytes, other: bytes) -> bytes:
    """Parts of both: joined at a place, or a window of one laid over the other."""
    at = chance.randrange(min(len(data), len(other)))
    if chance.random() < 0.5:
        return data[:at] + other[at:]
    end = at + chance.choice((1, 16, 32, 64, 1024))
    return data[:at] + other[at:end] + data[end:]


#: How often each kind of change is made, against the others; "field" where a sample knows its fields.
KINDS = {"bit": 4, "byte": 3, "cut": 2, "delete": 2, "insert": 2, "splice": 3, "field": 9}
_CHANGES = {"bit": _flip, "byte": _set, "cut": _cut, "delete": _delete, "insert": _insert, "splice": _splice}


def of_shape(
    shape: Any, wrap: Callable[[bytes], bytes] = same, unwrap: Callable[[bytes], bytes] = same
) -> Callable[[random.Random, bytes], bytes]:
    """Changes of one field in canonical bytes of ``shape``, or of their spelling; ``wrap`` and ``unwrap``: what stands around."""

    def change(chance: random.Random, data: bytes) -> bytes:
        if chance.random() < 0.1:
            return wrap(spelled(chance, msgspec.msgpack.decode(unwrap(data))))
        value = msgspec.msgpack.decode(unwrap(data), type=shape)
        place = chance.choice(list(places(value)))
        return wrap(encode(replaced(value, place, lambda old: other_value(chance, old))))

    return change


def spelled(chance: random.Random, value: Any) -> bytes:
    """MessagePack of the same value, with heads that are wider than they need be here and there."""
    wide = chance.random() < 0.05
    match value:
        case bool() | None:
            return msgspec.msgpack.encode(value)
        case int():
            return b"\xcf" + value.to_bytes(8, "big") if wide and value >= 0 else msgspec.msgpack.encode(value)
        case bytes():
            return b"\xc6" + len(value).to_bytes(4, "big") + value if wide else msgspec.msgpack.encode(value)
        case str():
            return b"\xdb" + len(value.encode()).to_bytes(4, "big") + value.encode() if wide else msgspec.msgpack.encode(value)
    items = b"".join(spelled(chance, item) for item in value)
    short = len(value) < 16 and not wide
    return (bytes([0x90 + len(value)]) if short else b"\xdd" + len(value).to_bytes(4, "big")) + items


Place = tuple[str | int, ...]


def places(value: object, at: Place = ()) -> Iterator[Place]:
    """Where a value stands inside ``value``: fields by name, items by index."""
    if at:
        yield at
    for step, inner in _steps(value):
        yield from places(inner, (*at, step))


def _steps(value: object) -> Iterable[tuple[str | int, object]]:
    if isinstance(value, msgspec.Struct):
        return [(name, getattr(value, name)) for name in value.__struct_fields__]
    return enumerate(value) if isinstance(value, tuple) else ()


def replaced(value: Any, place: Sequence[str | int], change: Callable[[Any], Any]) -> Any:
    """``value`` with what stands at ``place`` changed."""
    if not place:
        return change(value)
    step, *rest = place
    if isinstance(step, str):
        return msgspec.structs.replace(value, **{step: replaced(getattr(value, step), rest, change)})
    return (*value[:step], replaced(value[step], rest, change), *value[step + 1 :])


def other_value(chance: random.Random, old: Any) -> Any:
    """Another value of about the same type."""
    match old:
        case bool():
            return not old
        case Enum():
            return chance.choice([member for member in type(old) if member != old] or [old])
        case int():
            return chance.choice((old + 1, max(0, old - 1), old ^ (1 << chance.randrange(40)), *_NUMBERS))
        case bytes():
            filled = old or b"\0"
            return chance.choice((_flip(chance, filled, old), chance.randbytes(len(old)), bytes(len(old)), old[:-1], old + b"\0"))
        case str():
            return chance.choice((old + "x", old[:-1], old.swapcase(), "\u202e" + old, old + "\u0301", ""))
        case tuple():
            return _other_items(chance, old)
        case Record():
            return replaced(old, chance.choice(list(places(old))), lambda inner: other_value(chance, inner))
    return bytes(32)


def _other_items(chance: random.Random, old: tuple[Any, ...]) -> tuple[Any, ...]:
    if not old:
        return (bytes(32),)
    at = chance.randrange(len(old))
    return chance.choice((old[:at] + old[at + 1 :], (*old, old[at]), old[::-1], (), old * 2, (old[at],)))
