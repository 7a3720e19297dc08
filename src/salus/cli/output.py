"""How results look: one JSON document for machines, plain lines and tables for people."""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from salus.errors import Misused, SalusError

#: Fields that hold milliseconds since the epoch; 0 means "never" or "not said", and is shown as null.
TIMES = frozenset(
    {
        "time",
        "since",
        "until",
        "sent",
        "authored",
        "as_of",
        "refused_since_time",
        "sealed_anew_since_time",
        "dismissed",
        "at",
        "sealed_at",
        "erased_at",
        "revoked_at",
        "opens",
        "closes",
        "issued_at",
        "stopped_at",
        "begins",
        "ends",
        "placed_at",
        "deadline_at",
        "seen_at",
        "climbed_at",
        "due",
    }
)


def emit(as_json: bool, value: object, text: str) -> None:
    """Print ``value`` as JSON, or ``text``."""
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(plain(value)), indent=2) + b"\n")
        sys.stdout.buffer.flush()
    else:
        print(showable(text))


def watched(shown: Callable[[], str]) -> None:
    """Show a text in place, made anew every second, until interrupted; where nobody looks at a terminal, once."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    if not sys.stdout.isatty():
        print(showable(shown()))
        return
    with suppress(KeyboardInterrupt), Live(console=Console(), auto_refresh=False) as live:
        while True:
            live.update(Text(showable(shown())), refresh=True)
            time.sleep(1.0)


def emit_line(as_json: bool, value: object, text: str) -> None:
    """Print one of many as it comes: a JSON object a line, or a line of text."""
    if as_json:
        emit_raw(msgspec.json.encode(plain(value)))
    else:
        print(showable(text), flush=True)


def emit_raw(data: bytes) -> None:
    """Print bytes as they are: FHIR as it was received, or JSON that embeds it."""
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()


def say(sentence: str) -> None:
    """Tell of progress, where answers are not."""
    print(f"  {showable(sentence)}", file=sys.stderr, flush=True)


def print_error(error: SalusError, as_json: bool) -> int:
    """One line with a stable code, and the exit code: 2 for misuse, 1 otherwise. Where no JSON can be written, it is the line."""
    if as_json:
        try:
            emit(True, {"error": {"code": error.full_code, "text": error.text}}, "")
        except OSError:
            give_up_output()
            as_json = False
    if not as_json:
        print(f"salus: {showable(str(error))}", file=sys.stderr)
    return 2 if isinstance(error, Misused) else 1


def give_up_output() -> None:
    """Nobody takes the output: what is still buffered goes nowhere, so that the process can end quietly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def plain(value: Any, name: str = "") -> Any:
    """``value`` in JSON's terms: dataclasses as objects, times as RFC 3339 in UTC."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if name in TIMES and isinstance(value, int):
        return rfc3339(value)
    return value


def rfc3339(ms: int) -> str | None:
    """A time as machines read it; null for 0."""
    if not ms:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def when(ms: int) -> str:
    """A time as people read it, with its zone."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC") if ms else "never"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], nothing: str) -> str:
    """A table as text; ``nothing`` where it has no rows."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return nothing
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        grid.add_column(head, overflow="fold")
    for row in rows:
        grid.add_row(*[Text(showable(str(cell))) for cell in row])
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200, color_system=None)
    with console.capture() as capture:
        console.print(grid)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def showable(text: str) -> str:
    """``text`` without characters that steer a terminal or reverse the reading direction."""
    return "".join(
        char if char in "\n\t" or unicodedata.category(char) not in _STEERING else "\N{REPLACEMENT CHARACTER}" for char in text
    )


_STEERING = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def moment(text: str | None) -> int | None:
    """A date or time of the command line in ms since the epoch (UTC where no zone is given); `Misused` ``bad-date``."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise Misused("bad-date", "a date is written 2026-11-24, or 2026-11-24T10:30:00+01:00") from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
