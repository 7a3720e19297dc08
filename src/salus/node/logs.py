"""The node's log: a line a record, as text or JSON; never a body, an id, a peer's address or a query."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOGGER = logging.getLogger("salus.node")


class OneLine(logging.Formatter):
    """A line for each record; of an exception its kind and place alone, as its text might hold what must not be shown."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return f"salus: {_line(record)}"


class JsonLine(logging.Formatter):
    """The same as one JSON object: ``time``, ``level``, ``event``, and what is known of the request."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        known: dict[str, Any] = {"time": time, "level": record.levelname.lower(), "event": getattr(record, "event", "message")}
        if known["event"] == "message":
            known["text"] = _line(record)
        return json.dumps({**known, **getattr(record, "known", {})})


def _line(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None:
        return " ".join(record.getMessage().split())
    place = traceback.extract_tb(record.exc_info[2])[-1]
    return f"node/unexpected: {record.exc_info[0].__name__} in {Path(place.filename).name}:{place.lineno}"


def logging_config(form: str) -> dict[str, Any]:
    """How everything is logged, in ``form`` "text" or "json"."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": JsonLine if form == "json" else OneLine}},
        "handlers": {"line": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {
            "uvicorn": {"handlers": ["line"], "level": "WARNING", "propagate": False},
            "salus": {"handlers": ["line"], "level": "INFO", "propagate": False},
        },
    }


def request_line(identity: str, method: str, route: str, status: int, ms: float, code: str) -> None:
    """A line for a request that was answered. ``route`` is a template; ``code`` the refusal's full code or ""."""
    known = {"request": identity, "method": method, "route": route, "status": status, "ms": round(ms, 1), "code": code or None}
    text = f"{method} {route} {status} {ms:.1f} ms {identity} {code}"
    LOGGER.info(text.rstrip(), extra={"event": "request", "known": known})


def storage_line(error: Exception) -> None:
    """A line for a disk that refused: what kind of error, and where in the source."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    known = {"code": "node/storage-failed", "kind": type(error).__name__, "place": f"{Path(place.filename).name}:{place.lineno}"}
    LOGGER.error("%s: %s in %s", *known.values(), extra={"event": "storage-failed", "known": known})
