"""Codes on paper and on screens, read back by a decoder that is not ours, as a pharmacy's camera would."""

from __future__ import annotations

import base64
import io
import random

import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from salus.cli.qr import as_picture
from salus.cli.sheet import as_sheet
from salus.errors import AgentRefused
from salus.exchange.prescribing import MAX_TEXT, PREFIX

DRUG = "Ibuprofène 400 mg, 20 comprimés"
NOTE = "Show this at any pharmacy."


def code(length: int) -> str:
    """A text as long as a code may be, of the signs that codes are written in."""
    text = base64.b32encode(random.Random(length).randbytes(length)).decode("ascii")
    return (PREFIX + text)[:length]


def pages(pdf: bytes) -> list[tuple[str, Image.Image]]:
    """Of each page the text that a reader finds, and what a printer makes of it at 200 dots an inch."""
    return [(page.get_textpage().get_text_range(), page.render(scale=200 / 72).to_pil()) for page in pypdfium2.PdfDocument(pdf)]


def read(picture: Image.Image) -> list[str]:
    """What a camera reads."""
    return [found.text for found in zxingcpp.read_barcodes(picture)]


@pytest.mark.parametrize("length", [40, 1900, MAX_TEXT])
def test_a_camera_reads_the_code_from_paper(length: int) -> None:
    ((text, picture),) = pages(as_sheet(DRUG, [("for", "Zoë Œuvré, born 1980-01-31")], code(length), [NOTE]))
    assert read(picture) == [code(length)]
    assert all(said in text for said in (DRUG, "Zoë Œuvré, born 1980-01-31", NOTE))


@pytest.mark.parametrize("length", [40, 1900, MAX_TEXT])
def test_a_camera_reads_the_code_from_a_picture(length: int) -> None:
    picture = Image.open(io.BytesIO(as_picture(code(length), "png")))
    assert read(picture) == [code(length)]


def test_what_people_typed_is_printed_as_they_typed_it() -> None:
    ((text, _),) = pages(as_sheet("<b>5 & 6</b>", [("dose", "1 < 2 µg")], code(40), []))
    assert "<b>5 & 6</b>" in text
    assert "1 < 2 µg" in text


def test_many_words_go_on_on_another_page() -> None:
    found = pages(as_sheet(DRUG, [("dose", "one tablet, " * 400)], code(1900), []))
    assert len(found) > 1
    assert [one for _, picture in found for one in read(picture)] == [code(1900)]


@pytest.mark.parametrize("name", ["漢方薬", "דוגמה", "e\u0301", "\x07"])
def test_what_the_font_cannot_write_is_not_printed_otherwise(name: str) -> None:
    with pytest.raises(AgentRefused) as caught:
        as_sheet(name, [], code(40), [])
    assert caught.value.code == "not-printable"


def test_the_same_sheet_has_the_same_bytes() -> None:
    assert as_sheet(DRUG, [("for", "Ana")], code(40), []) == as_sheet(DRUG, [("for", "Ana")], code(40), [])
