"""Serving sealed entries: the proof first, then the ledger's word, then a durable receipt, and only then bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey
from salus.errors import NodeRefused, SalusError, WarrantRefused
from salus.exchange.api import Served
from salus.ids import MemberId, Millis, VerifyKey
from salus.ledger.genesis import Parameters, network_id
from salus.ledger.header import header_hash
from salus.ledger.modules.licences.state import Licence, licence_key
from salus.ledger.modules.revocations.state import revocation_key
from salus.ledger.modules.sections.messages import Epoch
from salus.ledger.modules.sections.queries import entry, section
from salus.ledger.modules.sections.state import Entry, epoch_key
from salus.ledger.store import load
from salus.node.engine import Engine
from salus.node.tally import Tally
from salus.node.vault.blobs import DAMAGED, Blobs
from salus.node.vault.receipts import ReceiptLog
from salus.node.vault.sharing import Share
from salus.warrants.checking import Effective, require_warrant
from salus.warrants.holding import (
    request_hash,
    require_covered,
    require_holder,
    require_licence,
    require_owner,
    require_purpose,
    require_window,
)
from salus.warrants.receipting import blinded, seal_receipt, sign_promise
from salus.warrants.receipts import Promise, Receipt, ReceiptsAnswer, SignedPromise
from salus.warrants.requests import SignedOwner, SignedRead

MAX_SERVED = 64 * 1024 * 1024  # bytes of entries in one answer


class Vault:
    """Serves ``section / number`` to proven holders. ``key`` is the member's node key; ``clock`` gives ms since the epoch."""

    def __init__(
        self,
        engine: Engine,
        blobs: Blobs,
        receipts: ReceiptLog,
        member: MemberId,
        key: SigningKey,
        secret: bytes,
        clock: Callable[[], Millis],
        tally: Tally,
        share: Share,
    ) -> None:
        self._tally, self._share = tally, share
        self.on_altered: Callable[[bytes], None] = lambda _: None  # told of a blob here that is not what it was
        self._engine, self._blobs, self._log = engine, blobs, receipts
        self._member, self._key, self._secret, self._clock = member, key, secret, clock
        self._network = network_id(engine.genesis)
        self._rules: Parameters = engine.genesis.parameters
        self.changed = threading.Event()

    def serve(self, read: SignedRead) -> Served:
        """The entries asked for and a promise; or one constant refusal until chain and proof verify, coded ones after."""
        self._catch_up(read.request.height)
        effective = self._prove(read)
        now = self._now()
        require_window(effective, now)
        self._require_recent(read.request.height, read.request.block, now)
        require_purpose(read.request, effective)
        self._require_unrevoked(effective)
        require_licence(effective, load(self._engine.state, licence_key(read.request.licence), Licence), now)
        entries = [entry(self._engine.state, effective.section, number) for number in read.request.entries]
        require_covered(effective, {found.number: found.writer for found in entries})
        require_bounded(entries)
        packages = self._packages(read, effective)
        wanted = [found.blob for found in entries if not found.erased] + [epoch.package for epoch in packages]
        self._require_any(wanted)
        self._blobs.require_reached(wanted)
        promise = self._write_receipt(read, effective, now)
        return self._served(entries, packages, wanted, promise)

    def receipts(self, signed: SignedOwner) -> ReceiptsAnswer:
        """The section's receipts from an index on, for its owner, with the newest anchor that covers it."""
        request = signed.request
        self._catch_up(request.height)
        owner = VerifyKey(section(self._engine.state, request.section).owner)
        require_owner(signed, owner, self._network, self._member)
        self._require_recent(request.height, request.block, self._now())
        anchored = self._log.newest_anchor()  # anchor, count, receipts: in this order each covers the one before
        total = self._log.count(request.section)
        found = self._log.since(request.section, request.first)[: max(0, total - request.first)]
        if anchored is not None:
            blind = self.blind(request.section)
            own = blinded(blind, request.section)
            for index, leaf in enumerate(anchored.leaves):
                if leaf.blinded == own:
                    size, proof = len(anchored.leaves), anchored.proof(index)
                    return ReceiptsAnswer(found, total, True, anchored.number, blind, leaf, index, size, proof)
        return ReceiptsAnswer(found, total, False, 0, b"", None, 0, 0, ())

    def blind(self, identity: bytes) -> bytes:
        """This vault's secret for one section: what hides the section in anchors, and is told to its owner."""
        return derive(self._secret, "blind", identity)

    def _prove(self, read: SignedRead) -> Effective:
        """Chain and proof, from the request and the section's owner key alone: touches no blob, revocation or receipt."""
        try:
            identity = read.request.section
            owner = VerifyKey(section(self._engine.state, identity).owner)
            window = self._rules.max_warrant_window
            effective = require_warrant(read.warrant, self._network, identity, owner, window)
            require_holder(read, effective, self._network, self._member)
        except SalusError as error:
            raise WarrantRefused("refused", "the vault does not serve this request") from error
        return effective

    def _now(self) -> int:
        return max(self._engine.newest_header().header.time, self._clock())

    def _catch_up(self, height: int) -> None:
        """Look for a block that is named and not there: a node that follows may be a moment behind."""
        if height > self._engine.newest_header().header.height:
            self._engine.newest_header(fresh=True)

    def _require_recent(self, height: int, block: bytes, now: int) -> None:
        newest = self._engine.newest_header().header
        if height > newest.height:
            raise WarrantRefused("unknown-block", "the request names a block that is not there")
        named = self._engine.header(height).header
        if header_hash(named) != block:
            raise WarrantRefused("unknown-block", "the request names a block that is not there")
        if now - named.time > self._rules.max_staleness:
            raise WarrantRefused("stale-request", "the request names a block that is too old; ask for the newest header")

    def _require_unrevoked(self, effective: Effective) -> None:
        for revocation in effective.revocations:
            if self._engine.state.get(revocation_key(revocation)) is not None:
                raise WarrantRefused("revoked", "the warrant was revoked")

    def _packages(self, read: SignedRead, effective: Effective) -> list[Epoch]:
        if read.request.packages and not effective.asks_packages:
            raise WarrantRefused("not-covered", "the warrant does not cover key packages")
        found = [load(self._engine.state, epoch_key(effective.section, n), Epoch) for n in read.request.packages]
        return [epoch for epoch in found if epoch is not None]

    def _write_receipt(self, read: SignedRead, effective: Effective, now: int) -> SignedPromise:
        height = self._engine.newest_header().header.height
        identity, request = effective.section, request_hash(read)
        sealed = seal_receipt(Receipt(read, now, height), effective.receipt_key, self._network, identity)
        stored = self._log.append(identity, sealed, request, now, self._rules.max_staleness)
        self._tally.receipt()
        self.changed.set()
        promise = Promise(self._network, self._member, identity, request, stored.index, stored.head, now)
        return sign_promise(self._key, promise)

    def _served(self, entries: list[Entry], packages: list[Epoch], wanted: list[bytes], promise: SignedPromise) -> Served:
        """What is intact of all ``wanted``; what cannot be reached refuses the whole, and leaves a receipt too many."""
        here = dict(zip(wanted, self._blobs.each(self._intact, wanted), strict=True))
        blobs = [None if found.erased else here[found.blob] for found in entries]
        missing = tuple(found.number for found, blob in zip(entries, blobs, strict=True) if blob is None)
        given = [*blobs, *(here[epoch.package] for epoch in packages)]
        return Served(tuple(blob or b"" for blob in given), missing, promise)

    def _intact(self, blob: bytes) -> bytes | None:
        """The blob; None when it is not here or was damaged: what is intact is served, what is not is named as missing."""
        try:
            return self._blobs.get(blob)
        except NodeRefused as error:
            if error.full_code != DAMAGED:
                raise  # where it lies cannot be reached: another vault may have it
            self.on_altered(blob)
            return None

    def _require_any(self, wanted: list[bytes]) -> None:
        """Raise `NodeRefused` ``not-kept`` where nothing that is wanted is here, nor is this vault's to keep: no receipt then."""
        if wanted and not any(self._blobs.has(blob) or self._share.has(blob) for blob in wanted):
            raise NodeRefused("not-kept", "other members' vaults keep what was asked for")


def require_bounded(entries: list[Entry]) -> None:
    """Raise `NodeRefused` ``too-much-asked`` for an entry asked for twice, or for more bytes than one answer holds."""
    if len({found.number for found in entries}) != len(entries) or sum(found.size for found in entries) > MAX_SERVED:
        raise NodeRefused("too-much-asked", "an entry is asked for once, and at most 64 MiB at a time")
