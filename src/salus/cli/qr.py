"""Codes that a camera reads, on the terminal."""

from __future__ import annotations

import io

import segno


def as_text(data: str) -> str:
    """A QR code (ISO/IEC 18004) of block characters."""
    drawn = io.StringIO()
    segno.make_qr(data, error="l").terminal(drawn, compact=True, border=2)
    return drawn.getvalue().rstrip("\n")
