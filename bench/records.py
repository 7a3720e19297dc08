"""Records to be measured with: the synthetic patient of the package, with its visits told again under other ids and values.

Nothing in two visits is byte for byte the same but what is in life: codes, units, names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any

from salus.crypto.hashing import sha256

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_VALUE = re.compile(r'("value":)(\d+\.\d+)')
_ONCE = ("Patient", "Organization", "Practitioner")


@lru_cache(maxsize=1)
def packaged() -> bytes:
    """The patient's file as it lies in the package."""
    return (files("salus.demo") / "patients" / "Clemente_Kreiger.json").read_bytes()


def resources(types: tuple[str, ...] = (), once: bool = True) -> Iterator[tuple[str, str]]:
    """(full URL, resource as compact JSON) without end, in the order of visits; of these types alone, where some are named.

    The patient and the places come first, and once; not at all without ``once``.
    """
    entries: list[dict[str, Any]] = json.loads(packaged())["entry"]
    rows = [(e["fullUrl"], e["resource"]["resourceType"], json.dumps(e["resource"], separators=(",", ":"))) for e in entries]
    if once:
        yield from ((url, text) for url, kind, text in rows if kind in _ONCE)
    fixed = {url.rpartition(":")[2] for url, kind, _ in rows if kind in _ONCE}
    visits = [(url, text) for url, kind, text in rows if kind not in _ONCE and (not types or kind in types)]
    number = 0
    while True:
        for url, text in visits:
            yield _again(url, number, fixed), _VALUE.sub(_moved(number), _again(text, number, fixed))
        number += 1


def record(count: int) -> bytes:
    """A Bundle of ``count`` resources of one patient."""
    found = resources()
    return bundle([next(found) for _ in range(count)])


def bundle(rows: list[tuple[str, str]]) -> bytes:
    """The rows as a Bundle."""
    entries = ",".join(f'{{"fullUrl":"{url}","resource":{text}}}' for url, text in rows)
    return f'{{"resourceType":"Bundle","type":"collection","entry":[{entries}]}}'.encode()


def _again(text: str, number: int, fixed: set[str]) -> str:
    def other(match: re.Match[str]) -> str:
        name = match.group()
        if name in fixed:
            return name
        digits = sha256(f"{number} {name}".encode()).hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"

    return _UUID.sub(other, text)


def _moved(number: int) -> Any:
    def moved(match: re.Match[str]) -> str:
        return f"{match.group(1)}{float(match.group(2)) + number * 0.0137:.4f}"

    return moved
