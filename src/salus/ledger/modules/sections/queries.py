"""What others may read of the sections."""

from __future__ import annotations

from salus.errors import LedgerRefused
from salus.ledger.modules.sections.state import Entry, Section, Writer, entry_key, section_key, writer_key
from salus.ledger.store import Reader, load


def section(reader: Reader, identity: bytes) -> Section:
    """The section; `LedgerRefused` ``no-such-section`` otherwise."""
    found = load(reader, section_key(identity), Section)
    if found is None:
        raise LedgerRefused("no-such-section", "no section of this id")
    return found


def entry(reader: Reader, identity: bytes, number: int) -> Entry:
    """The entry; `LedgerRefused` ``no-such-entry`` otherwise."""
    found = load(reader, entry_key(identity, number), Entry)
    if found is None:
        raise LedgerRefused("no-such-entry", "no entry of this number")
    return found


def writer(reader: Reader, identity: bytes, key: bytes) -> Writer:
    """The writer; `LedgerRefused` ``not-a-writer`` otherwise."""
    found = load(reader, writer_key(identity, key), Writer)
    if found is None:
        raise LedgerRefused("not-a-writer", "this key may not append to the section")
    return found
