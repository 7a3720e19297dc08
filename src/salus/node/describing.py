"""The API in OpenAPI 3.1, for programs of other makers: made from the tables that the routes are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response

from salus import __version__
from salus.codec import Record
from salus.node import problems

MEDIA = "application/vnd.salus+msgpack"

_HEX = "^[0-9a-f]{64}$"
_PARTS = {"height": "^(newest|[0-9]{1,15})$", "body": _HEX, "member": _HEX, "card": _HEX, "root": _HEX}
_FRESH = {
    "name": "fresh",
    "in": "query",
    "description": "1: with newest, an empty block is made when the newest is old",
    "schema": {"type": "string", "enum": ["1"]},
}
_REQUEST_ID = {"required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"}}
_HEADERS = {"x-request-id": {"$ref": "#/components/headers/RequestId"}}
_KINDS: dict[str, dict[str, Any]] = {
    MEDIA: {"type": "string", "format": "binary"},
    "text/plain": {"type": "string"},
    "application/json": {
        "type": "object",
        "required": ["status", "version"],
        "properties": {"status": {"const": "ok"}, "version": {"type": "string"}},
        "additionalProperties": False,
    },
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457; spec/errors.md lists the codes",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "pattern": "^[a-z]+/[a-z-]+$"},
    },
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Described:
    """A route: the media type of its answer, the statuses of its problems, what it does in a line, its body's shape if any."""

    method: str
    path: str
    media: str
    refused: tuple[int, ...]
    says: str
    shape: type[Record] | None


def describe(rows: Sequence[Described]) -> dict[str, Any]:
    """The OpenAPI document of these routes."""
    made = FastAPI(title="Salus node", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    for row in rows:
        extra: dict[str, Any] = _parameters(row.path)
        if row.shape is not None:
            extra["requestBody"] = {"required": True, "content": _content(MEDIA, row.shape.__name__)}
        options: dict[str, Any] = {"responses": _answers(row), "openapi_extra": extra, "response_class": Response}
        named = "-".join([row.method.lower(), *(part.strip("{}") for part in row.path.split("/")[2:])])
        options |= {"summary": row.says, "description": "See spec/node-api.md.", "operation_id": named}
        made.add_api_route(row.path, _nowhere, methods=[row.method], **options)
    shared = {"schemas": {"Problem": _PROBLEM}, "headers": {"RequestId": _REQUEST_ID}}
    return {**made.openapi(), "components": shared}


def _nowhere() -> None:
    """Stands in the description for what answers: nothing is ever sent there."""


def _answers(row: Described) -> dict[int, dict[str, Any]]:
    done = {"description": "Done", "headers": _HEADERS, "content": _content(row.media, "what was asked for")}
    problem = {problems.MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refused = {
        status: {"description": HTTPStatus(status).phrase, "headers": _HEADERS, "content": problem}
        for status in sorted(row.refused)
    }
    return {200: done, **refused}


def _content(media: str, what: str) -> dict[str, Any]:
    return {media: {"schema": {**_KINDS[media], "description": what}}}


def _parameters(path: str) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    found = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": _PARTS[name]}} for name in names
    ]
    return {"parameters": [*found, *([_FRESH] if "height" in names else [])]} if found else {}
