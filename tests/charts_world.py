"""Owners, holders, warrants and entries for tests: plain functions, every key fixed by a name."""

from __future__ import annotations

from typing import Any

import msgspec

from salus.charts.entry import EntryHeader, EntryKind, Leaf, Opened, Replaced, Sealed
from salus.charts.fold import Placed
from salus.charts.granting import Terms, root_warrant
from salus.charts.sealing import content_root, sign_entry, version_id
from salus.charts.sections import SectionKind
from salus.crypto import hpke
from salus.crypto.hashing import tagged
from salus.crypto.signing import HybridKey, SigningKey, person_id
from salus.ids import VerifyKey
from salus.ledger.genesis import LicenceRight
from salus.warrants.checking import NOBODY, link_hash, require_warrant, sign_link, spans_of, warrant_id
from salus.warrants.holding import sign_read
from salus.warrants.link import Purpose, Right, Warrant
from salus.warrants.requests import ReadRequest, SignedRead

WINDOW = 1_000_000
NETWORK, SECTION, VAULT = (tagged("test", name) for name in (b"network", b"section", b"vault"))


def some(name: str) -> bytes:
    """32 bytes fixed by a name."""
    return tagged("test/some", name.encode())


def key(name: str) -> SigningKey:
    """A signing key fixed by a name."""
    return SigningKey(some(name))


OWNER, HOLDER, DELEGATE = key("owner"), key("holder"), key("delegate")
RECEIPT_KEY = hpke.public_key(some("receipt"))


def terms(**changes: Any) -> Terms:
    """What the usual warrant allows."""
    usual = Terms(HOLDER.public, (Right.READ,), (Purpose.TREAT,), 1000, 2000, LicenceRight.TREAT)
    return Terms(**{**{name: getattr(usual, name) for name in usual.__dataclass_fields__}, **changes})


def root(numbers: tuple[int, ...] | None = (1, 2, 3, 7), writer: bytes = NOBODY, **changes: Any) -> Warrant:
    """A warrant of one link from the owner."""
    spans = () if numbers is None else spans_of(numbers)
    return root_warrant(OWNER, NETWORK, SECTION, terms(**changes), spans, RECEIPT_KEY, some("revocation"), writer)


def relink(warrant: Warrant, by: SigningKey = OWNER, **changes: Any) -> Warrant:
    """The warrant with its last link changed, and signed anew by ``by``."""
    link = msgspec.structs.replace(warrant.links[-1].link, **changes)
    return Warrant((*warrant.links[:-1], sign_link(by, link)))


def delegated(before: Warrant, by: SigningKey = HOLDER, **changes: Any) -> Warrant:
    """The warrant with one more link, from ``by`` to the delegate."""
    last = before.links[-1].link
    usual: dict[str, Any] = {
        "previous": link_hash(last),
        "holder": DELEGATE.public,
        "receipt_key": b"",
        "revocation": some("second"),
        "delegate": b"",
    }
    link = msgspec.structs.replace(last, **{**usual, **changes})
    return Warrant((*before.links, sign_link(by, link)))


def request(held: Warrant, **changes: Any) -> ReadRequest:
    """A reading of entry 1."""
    usual = ReadRequest(
        NETWORK,
        VAULT,
        warrant_id(held),
        SECTION,
        (1,),
        (),
        Purpose.TREAT,
        some("licence"),
        NOBODY,
        bytes(16),
        5,
        some("block"),
    )
    return msgspec.structs.replace(usual, **changes)


def reading(held: Warrant, by: SigningKey = HOLDER, **changes: Any) -> SignedRead:
    """A signed reading."""
    return sign_read(by, request(held, **changes), held)


def effective(warrant: Warrant) -> Any:
    """What the warrant allows, checked."""
    return require_warrant(warrant, NETWORK, SECTION, VerifyKey(OWNER.public), WINDOW)


def leaf(identity: str = "Observation/1", data: bytes = b'{"resourceType":"Observation","id":"1"}', salt: str = "salt") -> Leaf:
    """One resource."""
    return Leaf(some(salt), identity, "", data, b"")


def header(author: HybridKey, leaves: tuple[Leaf, ...], **changes: Any) -> EntryHeader:
    """The header of a record of the author's own."""
    usual = EntryHeader(
        NETWORK,
        SECTION,
        some("entry"),
        EntryKind.RECORD,
        "hospital",
        person_id(author.public),
        NOBODY,
        NOBODY,
        NOBODY,
        1,
        0,
        (),
        some("batch"),
        1,
        None,
        NOBODY,
        0,
        content_root(leaves),
    )
    return msgspec.structs.replace(usual, **changes)


def signed(author: HybridKey, *leaves: Leaf, **changes: Any) -> Sealed:
    """A signed entry."""
    return sign_entry(author, header(author, leaves, **changes), leaves)


def placed(author: HybridKey, number: int, *leaves: Leaf, trouble: str = "", **changes: Any) -> Placed:
    """An entry as the fold gets it, number ``number`` in the ledger."""
    inside = signed(author, *leaves, entry=some(f"entry {number}"), **changes)
    opened = Opened.of(inside, tuple(version_id(one) for one in leaves))
    return Placed(SectionKind.RESULTS, number, number, number, opened, trouble)


def replacing(old: Leaf, index: int = 0) -> tuple[Replaced, ...]:
    """That leaf ``index`` supersedes ``old``."""
    return (Replaced(index, version_id(old)),)
