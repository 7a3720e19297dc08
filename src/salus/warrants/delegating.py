"""One more link: a holder lets somebody else use a warrant, for less and for shorter."""

from __future__ import annotations

from dataclasses import dataclass

from salus.codec import decode, encode
from salus.crypto import hpke
from salus.crypto.signing import SigningKey
from salus.errors import CryptoRefused, Malformed, WarrantRefused
from salus.ledger.genesis import LicenceRight
from salus.warrants.checking import link_hash, sign_link
from salus.warrants.link import MAX_LINKS, Delegate, Link, Right, Span, Warrant


@dataclass(frozen=True)
class Narrowing:
    """What is left for the delegate: rights, entries, window (ms), and the licence right that is asked for."""

    rights: tuple[Right, ...]
    spans: tuple[Span, ...]
    not_before: int
    not_after: int
    licence: LicenceRight | None


def delegated(warrant: Warrant, by: SigningKey, to: bytes, name: Delegate, narrowing: Narrowing, revocation: bytes) -> Warrant:
    """The warrant with a link from its holder ``by`` to the key ``to``; ``too-many-links`` where it cannot grow."""
    if len(warrant.links) == MAX_LINKS:
        raise WarrantRefused("too-many-links", "the warrant was passed on too often")
    root, last = warrant.links[0].link, warrant.links[-1].link
    link = Link(
        last.network,
        last.section,
        link_hash(last),
        to,
        tuple(sorted(narrowing.rights)),
        last.purposes,
        max(last.not_before, narrowing.not_before),
        min(last.not_after, narrowing.not_after),
        narrowing.licence,
        narrowing.spans,
        last.writer,
        b"",
        revocation,
        hpke.seal(root.receipt_key, _info(root), encode(name)),
    )
    return Warrant((*warrant.links, sign_link(by, link)))


def delegate_of(warrant: Warrant, receipt_seed: bytes) -> Delegate | None:
    """Whom the last link names, for who holds the receipt seed; None where there is no delegate, or none that can be read."""
    root, last = warrant.links[0].link, warrant.links[-1].link
    if not last.delegate:
        return None
    try:
        return decode(hpke.open(receipt_seed, _info(root), last.delegate), Delegate, limit=512)
    except (CryptoRefused, Malformed):
        return None


def _info(root: Link) -> bytes:
    return b"salus/delegate/1" + root.network + root.section
