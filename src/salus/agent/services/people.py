"""People of this home: their wallets, cold seeds, mailboxes and cards."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from salus.agent.home import Agent
from salus.agent.members import current_members
from salus.agent.wallet import ColdSeed, PrincipalRecord, Wallet, cold_seed, new_principal
from salus.codec import Record, decode, encode
from salus.crypto import hpke
from salus.crypto.keys import new_seed
from salus.durable import make_folder, write_new
from salus.errors import AgentRefused, Malformed, SalusError
from salus.exchange.carding import require_showable, sign_card
from salus.exchange.cards import Card, Role, SignedCard
from salus.exchange.posting import mailbox_id, sign_claim
from salus.ids import Count

SEEK_AGAIN = 3_600_000  # ms between two attempts to find the mailbox a second member
_COLD = b"salus-cold-seed-1\n"


@dataclass(frozen=True)
class PersonInfo:
    """A principal of this home. ``cold_file`` is empty where its place is not known any more."""

    name: str
    role: str
    person: str
    cold_file: str = ""


class OwnCard(Record, frozen=True, tag="own-card"):
    """The card that a principal hands out; kept, because one half of its signature is never the same twice.

    ``sought`` (ms): when a second member was last asked to keep the mailbox too.
    """

    card: SignedCard
    sought: Count


def add_person(agent: Agent, name: str, role: Role, *, cold_dir: Path) -> PersonInfo:
    """A new wallet; its cold seed goes to ``cold_dir``, to be moved away. ``name-taken`` when the home has that name."""
    cold = new_seed()
    require_free(agent, name)
    record = new_principal(name, role, new_seed(), cold, new_seed())
    path = write_cold(cold_dir, cold_seed(record, agent.network_id, cold))
    try:
        wallet = keep_person(agent, record)
    except SalusError:
        path.unlink()  # of a wallet that was not made; another try makes another one
        raise
    return PersonInfo(name, role.value, wallet.person.hex(), str(path))


def keep_person(agent: Agent, record: PrincipalRecord) -> Wallet:
    """Keep the principal, open its mailboxes, make its card. Doing it again completes what was interrupted."""
    wallet = Wallet(record)
    card = housed(agent, wallet)
    with agent.store.writing():
        agent.store.put(b"", record.name.encode("utf-8"), record)
        agent.store.put(wallet.person, b"", card)
    return wallet


def housed(agent: Agent, wallet: Wallet) -> OwnCard:
    """The wallet's mailbox opened, at the node's member and at a second one that takes it now; and a card, to be kept."""
    home = agent.network.status().member
    open_mailbox(agent, wallet, home)
    return OwnCard(_card(agent, wallet, (home, *_second(agent, wallet, home))), agent.clock())


def open_mailbox(agent: Agent, wallet: Wallet, member: bytes) -> None:
    """Open the mailbox at the member, or open it again where it was lost."""
    agent.network.open_mailbox(sign_claim(wallet.mailbox, agent.network_id, member, wallet.mailbox_token, 0))


def seek_second(agent: Agent, wallet: Wallet) -> None:
    """Where one member alone keeps the mailbox, ask others, at most once an hour; the card is made anew when one takes it.

    One that was removed from the network keeps nothing any more.
    """
    kept = agent.store.find(OwnCard, wallet.person, b"")
    if kept is None or agent.clock() - kept.sought < SEEK_AGAIN:
        return
    members = current_members(agent)
    standing = [member for member in kept.card.card.members if member in members]
    home = standing[0] if standing else kept.card.card.members[0]
    second = () if len(standing) > 1 or len(members) < 2 else _second(agent, wallet, home)
    card = _card(agent, wallet, (home, *second)) if second else kept.card
    with agent.store.writing():
        agent.store.put(wallet.person, b"", OwnCard(card, agent.clock()))


def _second(agent: Agent, wallet: Wallet, home: bytes) -> tuple[bytes, ...]:
    """The first other member, the earliest first, that opens the mailbox now; nobody where none does."""
    for other in current_members(agent):
        try:
            if other != home:
                open_mailbox(agent, wallet, other)
                return (other,)
        except SalusError:
            continue
    return ()


def _card(agent: Agent, wallet: Wallet, members: tuple[bytes, ...]) -> SignedCard:
    record = wallet.record
    card = Card(
        agent.network_id,
        record.role,
        record.name,
        wallet.identity.public,
        hpke.public_key(wallet.sealing_seed),
        members,
        mailbox_id(wallet.mailbox.public),
        wallet.mailbox_token,
        agent.clock(),
    )
    return sign_card(wallet.identity, card)


def list_people(agent: Agent) -> tuple[PersonInfo, ...]:
    """Everybody whose wallet this home holds."""
    return tuple(PersonInfo(w.record.name, w.record.role.value, w.person.hex()) for w in agent.wallets())


def own_card(agent: Agent, name: str) -> SignedCard:
    """The card of one's own that is handed to others."""
    kept = agent.store.find(OwnCard, agent.wallet(name).person, b"")
    if kept is None:
        raise AgentRefused("no-such-person", "this home holds no card of that name")
    return kept.card


def public_card(agent: Agent, name: str) -> SignedCard:
    """One's own card for everybody to see: without the token, so that it opens nothing but the lane of strangers."""
    return sign_card(agent.wallet(name).identity, replace(own_card(agent, name).card, token=None))


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
