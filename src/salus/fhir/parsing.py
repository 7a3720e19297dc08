"""Reading FHIR JSON: strict about what cannot be parsed, faithful to the bytes of everything else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

import msgspec

from salus.codec import decode_json
from salus.crypto.hashing import sha256
from salus.errors import FhirRefused

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 64
MAX_RESOURCES = 100_000

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Resource:
    """One resource: ``raw`` as it stood in its file, ``value`` parsed (decimals as `Decimal`, so ``1.00`` stays ``1.00``)."""

    type: str
    id: str
    full_url: str
    raw: bytes
    value: dict[str, Any]

    @property
    def identity(self) -> str:
        """``Type/id``."""
        return f"{self.type}/{self.id}"

    @property
    def last_updated(self) -> int | None:
        """``meta.lastUpdated`` in ms since the epoch, or None."""
        meta = self.value.get("meta")
        return instant(meta.get("lastUpdated")) if isinstance(meta, dict) else None


class _Entry(msgspec.Struct):
    full_url: str | None = msgspec.field(name="fullUrl", default=None)
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct):
    entry: list[_Entry] = []


def read_resources(data: bytes) -> list[Resource]:
    """Every resource of a Bundle (of any type), the single one, or one a line (NDJSON, as FHIR Bulk Data exports it).

    `FhirRefused` for what cannot be parsed: ``too-large``, ``not-utf8``, ``too-deep``, ``not-json``, ``duplicate-key``,
    ``not-a-resource``, ``too-many``.
    """
    lines = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
    if len(lines) > 1 and all(line.lstrip().startswith(b"{") and line.rstrip().endswith(b"}") for _, line in lines):
        return _read_lines(data, lines)
    whole = parse_json(data)
    if not isinstance(whole, dict) or not _is_type(whole.get("resourceType")):
        raise FhirRefused("not-a-resource", "the file holds no FHIR resource")
    if whole["resourceType"] != "Bundle":
        return [_resource(data.strip(), whole, "")]
    try:
        raws = decode_json(data, _Bundle).entry
    except msgspec.DecodeError as error:
        raise FhirRefused("not-a-resource", "the Bundle's entries are not as FHIR has them") from error
    if len(raws) > MAX_RESOURCES:
        raise FhirRefused("too-many", "the Bundle has too many entries")
    pairs = zip(raws, whole.get("entry", []), strict=True)
    return [_resource(bytes(raw.resource), entry["resource"], raw.full_url or "") for raw, entry in pairs if raw.resource]


def _read_lines(data: bytes, lines: list[tuple[int, bytes]]) -> list[Resource]:
    """One resource a line; what is wrong is told with its line."""
    if len(data) > MAX_BYTES:
        raise FhirRefused("too-large", "the file is too large")
    if len(lines) > MAX_RESOURCES:
        raise FhirRefused("too-many", "the file has too many lines")
    found = []
    for number, line in lines:
        try:
            found.append(_resource(line.strip(), parse_json(line), ""))
        except FhirRefused as error:
            raise FhirRefused(error.code, f"line {number}: {error.text}") from error
    return found


def read_resource(raw: bytes, full_url: str = "") -> Resource:
    """One resource from its own bytes."""
    return _resource(raw, parse_json(raw), full_url)


def parse_json(data: bytes) -> Any:
    """The value of strict JSON: UTF-8, bounded, no key twice, no NaN; decimals as `Decimal`."""
    if len(data) > MAX_BYTES:
        raise FhirRefused("too-large", "the file is too large")
    require_depth(data)
    try:
        text = data.decode("utf-8")
        if text.startswith("\ufeff"):
            raise FhirRefused("not-json", "the file begins with a byte order mark")
        value = json.loads(text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_object)
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeError as error:
        raise FhirRefused("not-utf8", "the file is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise FhirRefused("not-json", "the file is not JSON") from error
    return value


def require_depth(data: bytes) -> None:
    """Raise ``too-deep`` when brackets nest deeper than `MAX_DEPTH`."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:  # most resources: they could not, whatever stands in their strings
        return
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", data)):
        depth += 1 if bracket.group() in b"[{" else -1
        if depth > MAX_DEPTH:
            raise FhirRefused("too-deep", "the file nests too deeply")


def to_json(value: dict[str, Any]) -> bytes:
    """A resource that was changed, as JSON; decimals keep their digits."""
    return _numbers.encode(value)


_numbers = msgspec.json.Encoder(decimal_format="number")


def as_bundle(resources: Iterable[tuple[bytes, str]]) -> bytes:
    """A Bundle (type collection) of (raw bytes, fullUrl), the bytes unchanged."""
    entries = []
    for raw, url in resources:
        front = b'{"fullUrl":' + json.dumps(url).encode("ascii") + b"," if url else b"{"
        entries.append(front + b'"resource":' + raw + b"}")
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + b",\n".join(entries) + b"]}\n"


def instant(text: object) -> int | None:
    """A FHIR date, dateTime or instant in ms since the epoch (its first moment; UTC where it has no zone); None otherwise."""
    if not isinstance(text, str):
        return None
    padded = text if len(text) > 7 else f"{text}-01" if len(text) == 7 else f"{text}-01-01"
    try:
        moment = datetime.fromisoformat(padded.replace("Z", "+00:00"))
    except ValueError:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // timedelta(milliseconds=1)


def moment_of(text: object) -> int:
    """The same of what must be an instant; `ValueError` otherwise."""
    found = instant(text)
    if found is None:
        raise ValueError
    return found


def _resource(raw: bytes, value: Any, full_url: str) -> Resource:
    if not isinstance(value, dict) or not _is_type(value.get("resourceType")):
        raise FhirRefused("not-a-resource", "an entry of the Bundle is no FHIR resource")
    identity = value.get("id")
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        tail = full_url.rpartition(":")[2].rpartition("/")[2]
        identity = tail if _ID.fullmatch(tail) else "sha256-" + sha256(raw).hex()[:48]
    return Resource(value["resourceType"], identity, full_url, raw, value)


def _is_type(name: object) -> bool:
    return isinstance(name, str) and _TYPE.fullmatch(name) is not None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise FhirRefused("duplicate-key", "an object in the file names a key twice")
    return made


def _no_constant(name: str) -> NoReturn:
    raise FhirRefused("not-json", f"{name} is not JSON")
