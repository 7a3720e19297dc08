"""What it costs to seal an entry and to open it, beside age, which does less: it neither compresses, pads, nor binds a context.

The content is FHIR text, cut to size. Without the author's signature: what `seal`
and the opening do besides. With it: `sign_entry` and `seal`, then `open_entry`, which verifies both halves of the signature. In
processor time: nothing waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from time import process_time
from typing import Any

from bench.ratios import Effort, Row, compare, not_installed, repeated
from bench.records import record
from salus.charts.entry import EntryHeader, EntryKind, Leaf, Sealed
from salus.charts.sealing import content_root, decrypt, half_of, new_salt, open_entry, seal, sign_entry
from salus.crypto import hpke
from salus.crypto.hashing import tagged
from salus.crypto.signing import HybridKey, person_id

_NOBODY = bytes(32)
_NETWORK, _SECTION = tagged("bench/network"), tagged("bench/section")
_SIZES = (("1 KiB", 1024, "<= 1.3", 200), ("64 KiB", 65_536, "<= 1.0", 50), ("1 MiB", 1_048_576, "<= 1.0", 6))


def rows(effort: Effort) -> Iterator[Row]:
    """A row a size without signatures, and a reported one with them."""
    for name, size, mark, times in _SIZES:
        for signs in (False, True):
            what = f"entry of {name}: seal and open, {'with' if signs else 'without'} the author's signatures"
            kept = "" if signs else mark
            if find_spec("pyrage") is None:
                yield not_installed(what, "age", kept, "pyrage")
                continue
            calls = effort.of(times, 2)
            ours, theirs = _signed(size) if signs else _unsigned(size), _age(size)
            yield compare(effort, what, "age", kept, repeated(ours, calls, process_time), repeated(theirs, calls, process_time))


def _text(size: int) -> bytes:
    return record(size // 1024 + 80)[:size]


def _inside(author: HybridKey, data: bytes) -> Sealed:
    leaves = (Leaf(new_salt(), "Bundle/1", "", data, b""),)
    header = EntryHeader(
        _NETWORK, _SECTION, new_salt(), EntryKind.RECORD, "source", person_id(author.public), _NOBODY, _NOBODY, _NOBODY, 0, 0, (),
        _NOBODY, 1, None, _NOBODY, 0, content_root(leaves),
    )  # fmt: skip
    return sign_entry(author, header, leaves)


def _unsigned(size: int) -> Callable[[], object]:
    seed = new_salt()
    public, inside = hpke.public_key(seed), _inside(HybridKey(new_salt()), _text(size))

    def run() -> object:
        blob, _ = seal(inside, public, 0)
        half = half_of(blob, seed, _NETWORK, _SECTION, 0)
        return decrypt(blob, half, _NETWORK, _SECTION, 0)

    return run


def _signed(size: int) -> Callable[[], object]:
    seed, author = new_salt(), HybridKey(new_salt())
    public, data = hpke.public_key(seed), _text(size)

    def run() -> object:
        blob, _ = seal(_inside(author, data), public, 0)
        return open_entry(blob, half_of(blob, seed, _NETWORK, _SECTION, 0), _NETWORK, _SECTION, 0)

    return run


def _age(size: int) -> Callable[[], object]:
    pyrage: Any = import_module("pyrage")
    identity = pyrage.x25519.Identity.generate()
    recipient, data = [identity.to_public()], _text(size)
    return lambda: pyrage.decrypt(pyrage.encrypt(data, recipient), [identity])
