"""Where a node answers, and by which key it is known there: ``https://host:port#pin-sha256=...``.

Whatever carries an address carries the pin in it. The pin is 43 characters of base64url (RFC 4648, 5), and is never sent: what
stands behind ``#`` stays with whoever asks. The secret half of a pinned key is all that a node has to show; without a pin it
shows a certificate of an authority that this machine trusts, in the name of its host.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

import msgspec

MOST = 255  # characters of an address
_MARK = "#pin-sha256="
_HOST = r"[^\s/?#@]+"
_ANY = rf"(https?://{_HOST}|https://{_HOST}{_MARK}[A-Za-z0-9_-]{{42}}[AEIMQUYcgkosw048])"

#: Where a node answers, or "" where nobody says.
Address = Annotated[str, msgspec.Meta(max_length=MOST, pattern=rf"^{_ANY}?\Z")]
#: Where a node answers.
NodeAddress = Annotated[str, msgspec.Meta(max_length=MOST, pattern=rf"^{_ANY}\Z")]


def split_pin(address: str) -> tuple[str, bytes | None]:
    """Where to connect to (scheme, host, port), and the pin of whoever answers there; None without one."""
    url, mark, text = address.partition(_MARK)
    return url, urlsafe_b64decode(f"{text}=") if mark else None


def pinned(address: str, pin: bytes) -> str:
    """The address with ``pin``, instead of any that it had."""
    return f"{split_pin(address)[0]}{_MARK}{urlsafe_b64encode(pin).decode('ascii').rstrip('=')}"
