"""A prescription on paper: what people read, and the code that a camera reads, on one page of A4."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import segno
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table

from salus.errors import AgentRefused

_FONT = "DejaVuSans"  # 2.37: Latin, Greek, Cyrillic and more; its licence stands beside it
_FILE = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
_MARGIN = 18 * mm
_MODULE, _WIDEST = 1 * mm, 125 * mm  # of a code's smallest square at most, and of all of it with its quiet zone


def as_sheet(title: str, rows: Sequence[tuple[str, str]], code: str, notes: Sequence[str]) -> bytes:
    """A PDF, of one page unless the words are very many: ``title`` large, then ``rows`` (at least one) of a word and what it
    stands for, ``code`` as a QR code, and ``notes``.

    `AgentRefused` ``not-printable`` for letters that the sheet's font has no signs for, or that are written from right to
    left: a drug's name must not be printed otherwise than it is.
    """
    for text in (title, code, *(word for row in rows for word in row), *notes):
        _require_printable(text)
    facts = [[_paragraph(name, 9), _paragraph(value, 12)] for name, value in rows]
    story: list[Flowable] = [_paragraph(title, 20), Spacer(0, 6 * mm)]
    story += [Table(facts, colWidths=[38 * mm, None], splitInRow=1), Spacer(0, 5 * mm), _Code(code), Spacer(0, 4 * mm)]
    story += [_paragraph(note, 10) for note in notes]
    drawn = io.BytesIO()
    margins: Any = {f"{side}Margin": _MARGIN for side in ("left", "right", "top", "bottom")}
    SimpleDocTemplate(drawn, pagesize=A4, title="Prescription", author="Salus", invariant=1, **margins).build(story)
    return drawn.getvalue()


class _Code(Flowable):
    """A QR code (ISO/IEC 18004), drawn as squares, with the quiet zone of four modules that the standard asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._rows = [list(row) for row in segno.make_qr(text, error="l").matrix_iter(border=4)]
        self._module = min(_MODULE, _WIDEST / len(self._rows))
        self.width = self.height = len(self._rows) * self._module
        self.hAlign = "CENTER"

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """How large it is, in points."""
        return self.width, self.height

    def draw(self) -> None:
        """Squares that touch are drawn as one, so that no printer leaves a line of light between them."""
        for number, row in enumerate(self._rows):
            bottom, start = self.height - (number + 1) * self._module, 0
            while start < len(row):
                end = start
                while end < len(row) and row[end]:
                    end += 1
                if end > start:
                    self.canv.rect(start * self._module, bottom, (end - start) * self._module, self._module, stroke=0, fill=1)
                start = end + 1


def _paragraph(text: str, size: int) -> Paragraph:
    _font()
    return Paragraph(escape(text), ParagraphStyle("said", fontName=_FONT, fontSize=size, leading=size * 1.35))


def _require_printable(text: str) -> None:
    signs = _font().face.charToGlyph
    for sign in text:
        if ord(sign) not in signs or unicodedata.bidirectional(sign) in ("R", "AL") or unicodedata.combining(sign):
            text = f"the sheet cannot write U+{ord(sign):04X}: show the code, or save it as a picture"
            raise AgentRefused("not-printable", text)


@cache
def _font() -> Any:
    font = TTFont(_FONT, str(_FILE))
    pdfmetrics.registerFont(font)
    return font
