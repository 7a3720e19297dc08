"""Checking a warrant: signed link by signed link, each of which only narrows the one before.

Every check is a function of its own, so that a test can name it and a saboteur can be caught.
"""

from __future__ import annotations

from dataclasses import dataclass

from salus.codec import encode
from salus.crypto.hashing import tagged
from salus.crypto.hpke import PUBLIC_LENGTH
from salus.crypto.signing import SigningKey, require_signature
from salus.errors import CryptoRefused, WarrantRefused
from salus.ids import MAX_INT, Hash, RevocationId, VerifyKey, WarrantId
from salus.ledger.genesis import LicenceRight
from salus.warrants.link import LINK_TAG, Link, Purpose, Right, SignedLink, Span, Warrant

NOBODY = bytes(32)
OPEN_END = MAX_INT  # the last number of a span that goes on with the section: a standing right


@dataclass(frozen=True)
class Effective:
    """What a warrant that was checked allows its last holder. ``spans`` None: every entry, which only the owner has."""

    warrant: WarrantId
    section: bytes
    holder: VerifyKey
    rights: tuple[Right, ...]
    purposes: tuple[Purpose, ...]
    not_before: int
    not_after: int
    licence: LicenceRight | None
    spans: tuple[Span, ...] | None
    writer: bytes
    receipt_key: bytes
    revocations: tuple[RevocationId, ...]

    def covers(self, number: int, writer: bytes) -> bool:
        """Whether the holder may read entry ``number``, which the ledger says was written by ``writer``."""
        if self.writes and writer == self.writer:
            return True
        if Right.READ not in self.rights:
            return False
        return self.spans is None or any(span.first <= number <= span.last for span in self.spans)

    @property
    def writes(self) -> bool:
        """Whether the holder may append. A link for reading alone names the writer's key too, as all links do."""
        return Right.APPEND in self.rights and self.writer != NOBODY

    @property
    def asks_packages(self) -> bool:
        """Whether the holder may fetch key packages: the owner, standing readers, and appenders, who seal to their keys."""
        return self.spans is None or self.writes or any(span.last == OPEN_END for span in self.spans)


def link_hash(link: Link) -> Hash:
    """What the next link names as the one before."""
    return tagged("salus/link/1", encode(link))


def warrant_id(warrant: Warrant) -> WarrantId:
    """The hash of the last link."""
    return WarrantId(link_hash(warrant.links[-1].link))


def sign_link(key: SigningKey, link: Link) -> SignedLink:
    """The link, signed by its issuer."""
    return SignedLink(link, key.sign(LINK_TAG, encode(link)))


def require_warrant(warrant: Warrant, network: bytes, section: bytes, owner: VerifyKey, max_window: int) -> Effective:
    """The effective warrant; raises `WarrantRefused` where any link does not check.

    ``owner`` is the section's owner key on the ledger now: a hand-over voids every warrant before it.
    """
    issuer, before = owner, None
    for signed in warrant.links:
        link = signed.link
        require_place(link, network, section)
        require_chained(link, before, section)
        require_issuer(signed, issuer)
        require_sound(link, max_window)
        if before is None:
            require_root(link)
        else:
            require_narrower(link, before, owner)
        issuer, before = VerifyKey(link.holder), link
    return _effective(warrant, section, owner)


def require_place(link: Link, network: bytes, section: bytes) -> None:
    """Raise ``wrong-section`` unless the link is for this network and section."""
    if link.network != network or link.section != section:
        raise WarrantRefused("wrong-section", "the warrant is for another section or network")


def require_chained(link: Link, before: Link | None, section: bytes) -> None:
    """Raise ``bad-chain`` unless the link names the one before (the root: its section)."""
    if link.previous != (section if before is None else link_hash(before)):
        raise WarrantRefused("bad-chain", "a link does not follow the one before")


def require_issuer(signed: SignedLink, issuer: VerifyKey) -> None:
    """Raise ``bad-link-signature`` unless ``issuer`` signed the link."""
    try:
        require_signature(issuer, LINK_TAG, encode(signed.link), signed.signature)
    except CryptoRefused as error:
        raise WarrantRefused("bad-link-signature", "a link is not signed by its issuer") from error


def require_sound(link: Link, max_window: int) -> None:
    """Raise ``bad-link`` for an empty or too long window, unsorted lists or overlapping spans."""
    window = link.not_after - link.not_before
    spans = [(span.first, span.last) for span in link.entries]
    ordered = all(first <= last for first, last in spans) and all(spans[i][1] < spans[i + 1][0] for i in range(len(spans) - 1))
    if not 0 < window <= max_window or not ordered or not _sorted(link.rights) or not _sorted(link.purposes):
        raise WarrantRefused("bad-link", "a link's window, entries, rights or purposes are not well formed")


def require_root(link: Link) -> None:
    """Raise ``bad-link`` unless the root carries a receipt key and no delegate's name."""
    if len(link.receipt_key) != PUBLIC_LENGTH or link.delegate:
        raise WarrantRefused("bad-link", "a root link carries the receipt key, and no delegate")


def require_narrower(link: Link, before: Link, owner: bytes) -> None:
    """Raise ``widened`` unless the link allows no more than the one before: without entries only the ``owner`` has all."""
    narrower = (
        all(right in before.rights for right in link.rights)
        and all(purpose in before.purposes for purpose in link.purposes)
        and before.not_before <= link.not_before
        and link.not_after <= before.not_after
        and (before.licence is None or link.licence == before.licence)
        and link.writer == before.writer
        and not link.receipt_key
        and _within(link.entries, before.entries, whole=before.holder == owner)
    )
    if not narrower:
        raise WarrantRefused("widened", "a link allows more than the one before")


def _within(inner: tuple[Span, ...], outer: tuple[Span, ...], *, whole: bool) -> bool:
    if not outer:
        return whole or not inner
    if not inner:
        return False
    return all(any(o.first <= i.first and i.last <= o.last for o in outer) for i in inner)


def _sorted(codes: tuple[str, ...]) -> bool:
    return all(codes[i] < codes[i + 1] for i in range(len(codes) - 1))


def _effective(warrant: Warrant, section: bytes, owner: VerifyKey) -> Effective:
    last, root = warrant.links[-1].link, warrant.links[0].link
    whole = not last.entries and last.holder == owner
    return Effective(
        warrant_id(warrant),
        section,
        VerifyKey(last.holder),
        last.rights,
        last.purposes,
        last.not_before,
        last.not_after,
        last.licence,
        None if whole else last.entries,
        last.writer,
        root.receipt_key,
        tuple(RevocationId(signed.link.revocation) for signed in warrant.links),
    )


def spans_of(numbers: tuple[int, ...]) -> tuple[Span, ...]:
    """The shortest sorted spans that cover just ``numbers``."""
    spans: list[Span] = []
    for number in sorted(dict.fromkeys(numbers)):
        if spans and spans[-1].last + 1 == number:
            spans[-1] = Span(spans[-1].first, number)
        else:
            spans.append(Span(number, number))
    return tuple(spans)
