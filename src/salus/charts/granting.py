"""Making and checking grants."""

from __future__ import annotations

from dataclasses import dataclass

from salus.charts.grant import Grant
from salus.codec import decode
from salus.crypto.signing import SigningKey
from salus.errors import ChartRefused
from salus.ledger.genesis import LicenceRight
from salus.warrants.checking import NOBODY, sign_link
from salus.warrants.link import Link, Purpose, Right, Span, Warrant

MAX_GRANT = 900_000


@dataclass(frozen=True)
class Terms:
    """What one warrant allows: to whom, for what, from when until when (ms), with which licence."""

    holder: bytes
    rights: tuple[Right, ...]
    purposes: tuple[Purpose, ...]
    not_before: int
    not_after: int
    licence: LicenceRight | None


def root_warrant(
    owner: SigningKey,
    network: bytes,
    section: bytes,
    terms: Terms,
    spans: tuple[Span, ...],
    receipt_key: bytes,
    revocation: bytes,
    writer: bytes = NOBODY,
) -> Warrant:
    """A warrant of one link. Without ``spans`` it covers no entry, unless the owner gives it to itself: then all."""
    link = Link(
        network,
        section,
        section,
        terms.holder,
        tuple(sorted(terms.rights)),
        tuple(sorted(terms.purposes)),
        terms.not_before,
        terms.not_after,
        terms.licence,
        spans,
        writer,
        receipt_key,
        revocation,
        b"",
    )
    return Warrant((sign_link(owner, link),))


def read_grant(data: bytes, network: bytes, grantee: bytes, holder: bytes) -> Grant:
    """The grant; raises unless it is for this network and grantee, and every warrant's last holder is ``holder``."""
    grant = decode(data, Grant, limit=MAX_GRANT)
    if (grant.network, grant.grantee) != (network, grantee):
        raise ChartRefused("wrong-grantee", "the grant is for somebody else")
    for section in grant.sections:
        if section.warrant.links[-1].link.holder != holder:
            raise ChartRefused("wrong-grantee", "a warrant in the grant is for another key")
    return grant
