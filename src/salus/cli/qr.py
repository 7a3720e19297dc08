"""Codes that a camera reads, on the terminal and as files."""

from __future__ import annotations

import io

import segno


def as_text(data: str) -> str:
    """A QR code (ISO/IEC 18004) of block characters."""
    drawn = io.StringIO()
    segno.make_qr(data, error="l").terminal(drawn, compact=True, border=2)
    return drawn.getvalue().rstrip("\n")


def as_picture(data: str, kind: str) -> bytes:
    """A QR code as a file's bytes: ``kind`` is png or svg, with the quiet zone of four modules that the standard asks for."""
    drawn = io.BytesIO()
    segno.make_qr(data, error="l").save(drawn, kind=kind, scale=4, border=4)
    return drawn.getvalue()
