"""The state machine: transactions in, results out, each applied whole or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from salus.codec import Record, decode, encode
from salus.crypto.signing import require_signature
from salus.errors import LedgerRefused, SalusError
from salus.ids import BodyHash, Bytes32, Count, Height, MemberId, Millis, NetworkId, VerifyKey
from salus.ledger.context import Context
from salus.ledger.deadlines import deadline_key, due
from salus.ledger.genesis import Genesis, network_id
from salus.ledger.header import TxResult
from salus.ledger.module import Handler, Module
from salus.ledger.modules.governance.queries import planned_rules
from salus.ledger.modules.members.queries import member
from salus.ledger.store import Overlay, Reader, load
from salus.ledger.tx import SIGNATURE_TAG, Body, Transaction, body_hash, protects_rights

REPLAY = "machine/replay"
NEWEST_RULES = 1  # the newest version of the rules that this software knows


class Quota(Record, frozen=True, tag="quota"):
    """Actions that a member has sponsored in quota window number ``window``: ordinary ones, and on the reserve."""

    window: Count
    used: Count
    reserve: Count


@dataclass(frozen=True)
class Block:
    """What is executed: ``height``, block time in ms, encoded transactions in order.

    ``misbehaving``: addresses of validators whom evidence in this block shows to have signed what excludes each other.
    """

    height: Height
    time: Millis
    transactions: tuple[bytes, ...]
    misbehaving: tuple[bytes, ...] = ()


class Machine:
    """Executes transactions by the rules of its modules. Holds no state but which signatures it has verified.

    ``verified`` counts signature checks: each signature is checked once a node, however often its transaction is looked at.
    """

    def __init__(self, genesis: Genesis, modules: tuple[Module, ...], newest_rules: int = NEWEST_RULES) -> None:
        self.genesis, self.newest_rules = genesis, newest_rules
        self.network: NetworkId = network_id(genesis)
        self.modules = modules
        self.verified = 0
        self._handlers: Mapping[type, Handler] = {
            message: handler for module in modules for message, handler in module.handlers.items()
        }
        self._due = {kind: act for module in modules for kind, act in module.due.items()}
        self._seen: dict[bytes, tuple[Transaction, BodyHash]] = {}  # by canonical bytes: what was read, and verified

    def found(self, state: Overlay) -> None:
        """Write the state that genesis describes."""
        for module in self.modules:
            if module.found is not None:
                module.found(state, self.genesis)

    def execute(self, state: Overlay, block: Block) -> tuple[TxResult, ...]:
        """Apply the block to ``state``: what it begins with, then each transaction; one result a transaction."""
        self.begin(state, block)
        return tuple(self._result(state, block, data) for data in block.transactions)

    def begin(self, state: Overlay, block: Block) -> None:
        """Apply to ``state`` what a block begins with: due deadlines first, then evidence.

        `LedgerRefused` ``upgrade-needed`` where rules hold that this software does not know.
        """
        rules = planned_rules(state)
        if block.height >= rules.height and rules.version > self.newest_rules:
            raise LedgerRefused("upgrade-needed", f"the network goes by rules of version {rules.version} from here on")
        here = Context(state, self.network, self.genesis.parameters, block.height, block.time, BodyHash(bytes(32)))
        for key, deadline in due(state, block.time):
            if deadline.kind in self._due:
                self._due[deadline.kind](here, deadline.subject)
            state.remove(key)
        for where in block.misbehaving:
            for module in self.modules:
                if module.misbehaved is not None:
                    module.misbehaved(here, where)

    def apply(self, state: Overlay, height: int, time: int, data: bytes) -> Bytes32:
        """Apply one transaction to ``state`` whole, and return its body's hash; or raise what refuses it, changing nothing."""
        transaction, identity = self._seen.get(data) or self._read(data)
        body = transaction.body
        overlay = Overlay(state)
        self._require_in_time(body, time)
        self._require_network(body)
        self._require_new(overlay, body, identity)
        self._require_signers(overlay, transaction)
        self._require_verified(data, transaction, identity)
        self._charge(overlay, body, time)
        here = (overlay, self.network, self.genesis.parameters, Height(height), Millis(time), identity)
        for index, action in enumerate(body.actions):
            self._handlers[type(action)].apply(Context(*here, index, MemberId(body.sponsor)), action)
        Context(*here).at(body.expires, REPLAY, identity)
        overlay.fold_into(state)
        return identity

    def _result(self, state: Overlay, block: Block, data: bytes) -> TxResult:
        try:
            return TxResult(self.apply(state, block.height, block.time, data), "")
        except SalusError as refusal:
            return TxResult(self._identity(data), refusal.full_code)

    def _read(self, data: bytes) -> tuple[Transaction, BodyHash]:
        transaction = decode(data, Transaction, limit=self.genesis.parameters.max_transaction)
        return transaction, body_hash(transaction.body)

    def _identity(self, data: bytes) -> Bytes32:
        try:
            return self._read(data)[1]
        except SalusError:
            return bytes(32)

    def _require_in_time(self, body: Body, time: int) -> None:
        if body.expires <= time:
            raise LedgerRefused("expired", "the transaction has expired")
        if body.expires > time + self.genesis.parameters.max_expiry:
            raise LedgerRefused("expires-too-late", "the expiry is too far ahead of the block time")

    def _require_network(self, body: Body) -> None:
        if body.network != self.network:
            raise LedgerRefused("wrong-network", "the transaction is for another network")

    def _require_new(self, state: Reader, body: Body, identity: bytes) -> None:
        if state.get(deadline_key(body.expires, REPLAY, identity)) is not None:
            raise LedgerRefused("replayed", "the transaction was applied before")

    def _require_signers(self, state: Reader, transaction: Transaction) -> None:
        """The signers are the sponsor and those whom the actions need, each once, sorted, and nobody else."""
        body = transaction.body
        needed = [VerifyKey(member(state, body.sponsor).node)]
        for action in body.actions:
            needed.extend(self._handlers[type(action)].keys(state, action))
        signers = [signature.key for signature in transaction.signatures]
        if signers != sorted(dict.fromkeys(needed)):
            raise LedgerRefused("wrong-signers", "the signatures are not those of the keys that the actions need")

    def _require_verified(self, data: bytes, transaction: Transaction, identity: BodyHash) -> None:
        if data in self._seen:
            return
        for signature in transaction.signatures:
            self.verified += 1
            require_signature(VerifyKey(signature.key), SIGNATURE_TAG, identity, signature.signature)
        self._seen[data] = (transaction, identity)
        if len(self._seen) > _REMEMBERED:
            for old in list(itertools.islice(self._seen, _REMEMBERED // 2)):
                del self._seen[old]

    def _charge(self, state: Overlay, body: Body, time: int) -> None:
        rules, cost = self.genesis.parameters, len(body.actions)
        window = time // rules.quota_window
        key = b"quotas/" + body.sponsor
        quota = load(state, key, Quota)
        if quota is None or quota.window != window:
            quota = Quota(window, 0, 0)
        if quota.used + cost <= rules.quota:
            quota = Quota(window, quota.used + cost, quota.reserve)
        elif protects_rights(body) and quota.reserve + cost <= rules.reserve:
            quota = Quota(window, quota.used, quota.reserve + cost)
        else:
            raise LedgerRefused("quota-spent", "the sponsor's quota is spent for now")
        state.put(key, encode(quota))


_REMEMBERED = 16_384
