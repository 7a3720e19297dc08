"""Records as one line of text, for a file or a message: a name, a colon, and base64url."""

from __future__ import annotations

import base64
import binascii

from salus.errors import Malformed


def to_line(name: str, data: bytes) -> str:
    """``data`` as a line that begins with ``name``."""
    return name + base64.urlsafe_b64encode(data).decode("ascii") + "\n"


def from_line(name: str, text: bytes, limit: int) -> bytes:
    """The bytes, at most ``limit``, that `to_line` wrote; `Malformed` for anything else, also for a second spelling."""
    line = text.strip()
    head = name.encode("ascii")
    if not line.startswith(head) or len(line) > len(head) + 4 * (limit + 2) // 3:
        raise Malformed("not-decodable", f"not a line that begins with {name}")
    try:
        data = base64.b64decode(line[len(head) :], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("not-decodable", f"not a line that begins with {name}") from error
    if to_line(name, data).strip().encode("ascii") != line:
        raise Malformed("not-canonical", "the bytes are not the one canonical form")
    return data
