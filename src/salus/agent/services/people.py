"""People of this home: their wallets, cold seeds, mailboxes and cards."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from salus.agent.home import Agent
from salus.agent.wallet import ColdSeed, PrincipalRecord, Wallet, cold_seed, new_principal
from salus.codec import Record, decode, encode
from salus.crypto import hpke
from salus.crypto.keys import new_seed
from salus.durable import make_folder, write_new
from salus.errors import AgentRefused, Malformed
from salus.exchange.carding import require_showable, sign_card
from salus.exchange.cards import Card, Role, SignedCard
from salus.exchange.posting import mailbox_id, sign_claim
from salus.ids import Bytes32

_COLD = b"salus-cold-seed-1\n"


@dataclass(frozen=True)
class PersonInfo:
    """A principal of this home. ``cold_file`` is empty where its place is not known any more."""

    name: str
    role: str
    person: str
    cold_file: str = ""


class OwnCard(Record, frozen=True, tag="own-card"):
    """The card that a principal hands out; kept, because one half of its signature is never the same twice."""

    card: SignedCard
    node: Bytes32


def add_person(agent: Agent, name: str, role: Role, *, cold_dir: Path) -> PersonInfo:
    """A new wallet; its cold seed goes to ``cold_dir``, to be moved away. ``name-taken`` when the home has that name."""
    cold = new_seed()
    require_free(agent, name)
    record = new_principal(name, role, new_seed(), cold, new_seed())
    path = write_cold(cold_dir, cold_seed(record, agent.network_id, cold))
    wallet = keep_person(agent, record)
    return PersonInfo(name, role.value, wallet.person.hex(), str(path))


def keep_person(agent: Agent, record: PrincipalRecord) -> Wallet:
    """Keep the principal, make its card, open its mailbox. Doing it again completes what was interrupted."""
    wallet = Wallet(record)
    card = open_mailbox(agent, wallet)
    with agent.store.writing():
        agent.store.put(b"", record.name.encode("utf-8"), record)
        agent.store.put(wallet.person, b"", card)
    return wallet


def open_mailbox(agent: Agent, wallet: Wallet) -> OwnCard:
    """The wallet's mailbox opened at the node, and a new card that names it, for the caller to keep."""
    record, member = wallet.record, agent.network.status().member
    card = Card(
        agent.network_id,
        record.role,
        record.name,
        wallet.identity.public,
        hpke.public_key(wallet.sealing_seed),
        member,
        mailbox_id(wallet.mailbox.public),
        wallet.mailbox_token,
        agent.clock(),
    )
    agent.network.open_mailbox(sign_claim(wallet.mailbox, agent.network_id, wallet.mailbox_token, 0))
    return OwnCard(sign_card(wallet.identity, card), member)


def list_people(agent: Agent) -> tuple[PersonInfo, ...]:
    """Everybody whose wallet this home holds."""
    return tuple(PersonInfo(w.record.name, w.record.role.value, w.person.hex()) for w in agent.wallets())


def own_card(agent: Agent, name: str) -> SignedCard:
    """The card of one's own that is handed to others."""
    kept = agent.store.find(OwnCard, agent.wallet(name).person, b"")
    if kept is None:
        raise AgentRefused("no-such-person", "this home holds no card of that name")
    return kept.card


def write_cold(folder: Path, cold: ColdSeed, *, beside: bool = False) -> Path:
    """The cold seed in a file of its own (0600), named by the person's name made harmless; ``beside`` an older one of hers."""
    make_folder(folder)
    name = "".join(char if char.isalnum() else "_" for char in cold.name)
    path = folder / f"{name}.cold"
    if beside:
        numbered = (folder / f"{name}-{number}.cold" for number in range(2, 1000))
        path = next((one for one in (path, *numbered) if not one.exists()), path)
    try:
        write_new(path, _COLD + base64.b64encode(encode(cold)) + b"\n")
    except FileExistsError as error:
        raise AgentRefused("cold-file-exists", "a cold seed file of that name exists; move it away first") from error
    return path


def read_cold(data: bytes) -> ColdSeed:
    """What `write_cold` wrote; `AgentRefused` ``bad-cold-file`` for anything else."""
    try:
        if not data.startswith(_COLD):
            raise Malformed("not-decodable", "not a cold seed")
        return decode(base64.b64decode(data[len(_COLD) :].strip(), validate=True), ColdSeed, limit=8192)
    except (Malformed, binascii.Error) as error:
        raise AgentRefused("bad-cold-file", "the file does not hold a cold seed") from error


def require_free(agent: Agent, name: str) -> None:
    """Raise ``bad-name`` or ``name-taken`` unless a new wallet can have this name."""
    require_showable(name)
    if agent.store.find(PrincipalRecord, b"", name.encode("utf-8")) is not None:
        raise AgentRefused("name-taken", "this home holds a wallet of that name already")
