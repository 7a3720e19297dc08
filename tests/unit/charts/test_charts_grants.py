"""Grants: read by their grantee alone, whole or not at all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from charts_world import DELEGATE, HOLDER, NETWORK, root, some
from salus.charts.grant import Grant, GrantedEntry, SectionGrant
from salus.charts.granting import read_grant
from salus.charts.sections import SectionKind
from salus.codec import encode
from salus.errors import SalusError
from salus.warrants.link import Purpose, Right

PERSON = some("person")


def grant(**changes: Any) -> bytes:
    part = SectionGrant(SectionKind.RESULTS, root(), (GrantedEntry(1, some("blob"), some("half")),), 9, b"", b"", False)
    usual = Grant(
        NETWORK, some("grant"), some("patient"), PERSON, (Right.READ,), (Purpose.TREAT,), 2000, 1000, 3, (part,), (), b"{}"
    )
    return encode(msgspec.structs.replace(usual, **changes))


def test_the_grantee_reads_it() -> None:
    assert read_grant(grant(), NETWORK, PERSON, HOLDER.public).grant == some("grant")


@pytest.mark.parametrize(
    ("data", "holder", "code"),
    [
        (grant(network=some("x")), HOLDER.public, "charts/wrong-grantee"),
        (grant(grantee=some("x")), HOLDER.public, "charts/wrong-grantee"),
        (grant(), DELEGATE.public, "charts/wrong-grantee"),
        (grant(sections=()), HOLDER.public, "codec/not-decodable"),
        (grant() + b"\x00", HOLDER.public, "codec/not-decodable"),
        (grant()[:-1], HOLDER.public, "codec/not-decodable"),
    ],
)
def test_a_grant_for_another_or_in_other_bytes_is_refused(data: bytes, holder: bytes, code: str) -> None:
    with pytest.raises(SalusError) as refused:
        read_grant(data, NETWORK, PERSON, holder)
    assert refused.value.full_code == code
