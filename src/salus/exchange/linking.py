"""Links: under which number of its own a practice keeps somebody, and how sure it is that it is the same person."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Count

MAX_LINK = 4_096
MOST_NUMBERS = 16


class Assurance(StrEnum):
    """How sure: the levels of ISO/IEC 29115 by FHIR's codes (``http://hl7.org/fhir/identity-assuranceLevel``).

    eIDAS' low, substantial and high (Regulation (EU) 910/2014, Article 8) are as sure as the second to the fourth.
    """

    LEVEL1 = "level1"  # little or none: it was said
    LEVEL2 = "level2"  # some: known to the practice in person
    LEVEL3 = "level3"  # high: an official document with a picture was seen
    LEVEL4 = "level4"  # very high: a document was seen and its chip, or an eID, was verified


Number = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Numbers = Annotated[tuple[Number, ...], msgspec.Meta(max_length=MOST_NUMBERS)]


class LinkLetter(Record, frozen=True, tag="link-letter-1"):
    """From a practice to whom it has linked: under which ``numbers`` it keeps the person since ``since`` (ms); none: no more."""

    numbers: Numbers
    assurance: Assurance
    since: Count
