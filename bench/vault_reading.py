"""What a reading costs that is proven, receipted durably and then served, beside a route of the same server that does nothing.

Each request is a holder's own, signed, by a warrant that asks for a licence; the answer is an entry of 4 KiB. 16 clients.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.networks import BLOB, authority_key, make_node_home, owners, signed
from bench.ratios import Effort, Row, compare
from bench.serving import answered, get, post, served
from salus.codec import decode
from salus.crypto import hpke
from salus.crypto.hashing import sha256, tagged
from salus.crypto.keys import fresh_nonce, new_seed
from salus.crypto.signing import SigningKey
from salus.exchange.api import Submission
from salus.exchange.client import NodeClient
from salus.ids import BodyHash
from salus.ledger.genesis import LicenceRight, member_id, network_id
from salus.ledger.header import header_hash
from salus.ledger.modules.licences.messages import IssueLicence
from salus.ledger.modules.sections.messages import AppendEntry
from salus.ledger.tx import Transaction, body_hash, licence_id
from salus.warrants.checking import NOBODY, sign_link, warrant_id
from salus.warrants.holding import sign_read
from salus.warrants.link import Link, Purpose, Right, Span, Warrant
from salus.warrants.requests import ReadRequest

_ENTRY = 4096  # bytes
_HOUR = 3_600_000


def rows(effort: Effort) -> Iterator[Row]:
    """One row."""
    reads = effort.of(400, 40)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        make_node_home(home, new_seed())
        with served(home) as url:
            reader = Reader(NodeClient(url))
            nothing = [get("/v1/health")] * reads
            yield compare(
                effort,
                "vault read: warrant, holder's proof, licence, receipt, 4 KiB",
                "the same server's GET /v1/health",
                ">= 0.15",
                lambda: answered(url, reader.requests(reads)),
                lambda: answered(url, nothing),
            )
            reader.node.close()


class Reader:
    """A licensed professional with a warrant for one entry of a section."""

    def __init__(self, node: NodeClient) -> None:
        self.node, self.genesis = node, node.genesis()
        self.key, authority = SigningKey(tagged("bench/reader")), authority_key()
        member = member_id(authority.public)
        (owner,) = owners(self.genesis, 1)
        blob = secrets.token_bytes(_ENTRY)
        append = AppendEntry(owner.section, 0, owner.key.public, sha256(blob), len(blob))
        made = signed(self.genesis, [owner.creation(self.genesis.time), append], [owner.key])
        node.submit(Submission(made, (BLOB, blob)))
        licence = IssueLicence(member, bytes(32), self.key.public, bytes(32), (LicenceRight.TREAT,), 0)
        issued = signed(self.genesis, [licence], [authority])
        node.submit(Submission(issued, ()))
        self.member, self.section = member, owner.section
        self.licence = licence_id(BodyHash(body_hash(decode(issued, Transaction, limit=65_536).body)), 0)
        now = node.header(None).header.time
        link = Link(
            network_id(self.genesis), owner.section, owner.section, self.key.public, (Right.READ,), (Purpose.TREAT,),
            now, now + _HOUR, LicenceRight.TREAT, (Span(0, 0),), NOBODY, hpke.public_key(new_seed()), new_seed(), b"",
        )  # fmt: skip
        self.warrant = Warrant((sign_link(owner.key, link),))

    def requests(self, count: int) -> list[bytes]:
        """As many requests, each good once, as of the newest block."""
        newest = self.node.header(None, fresh=True).header
        return [
            post("/v1/entries", sign_read(self.key, self._request(newest.height, header_hash(newest)), self.warrant))
            for _ in range(count)
        ]

    def _request(self, height: int, block: bytes) -> ReadRequest:
        return ReadRequest(
            network_id(self.genesis), self.member, warrant_id(self.warrant), self.section, (0,), (), Purpose.TREAT,
            self.licence, NOBODY, fresh_nonce(), height, block,
        )  # fmt: skip
