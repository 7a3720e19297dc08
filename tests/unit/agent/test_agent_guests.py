"""A home that is somebody's guest: how it becomes one, and what it can still do when it is none any more."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from salus.agent.given import Ending, GivenGrant
from salus.agent.home import Agent
from salus.agent.services import charting, contacts, exporting, granting, importing, people, recovering, revoking
from salus.agent.services.sealing import Job, silent
from salus.bootstrap import open_home
from salus.charts.sections import SectionKind
from salus.codec import encode
from salus.errors import SalusError
from salus.exchange.cards import Role
from salus.exchange.guests import Invitation
from salus.exchange.inviting import invitation_text, read_invitation
from salus.homes import init_guest, move_home
from salus.ids import NetworkId
from salus.ledger.genesis import network_id
from salus.ledger.modules.revocations.state import Revoked, revocation_key
from salus.ledger.modules.sections.state import Section, section_key
from salus.ledger.store import load
from salus.ledger.trusting import Trusted
from salus.warrants.link import Purpose, Right
from world import CLEMENTE, DOCTOR, HOUR, World, served, thread

ANA = "Ana"
NOWHERE = "http://127.0.0.1:9"


@dataclass
class Hosted:
    """A member's node that is served, and the folder of a home that has been invited there."""

    near: World
    url: str
    home: Path

    def invitation(self, uses: int = 1) -> Invitation:
        return self.near.node.door.book.invite(365 * 24 * HOUR, uses, 1000)

    def init(self, *invitations: Invitation, urls: tuple[str, ...] = (), home: Path | None = None) -> None:
        init_guest(home or self.home, urls or (self.url,), encode(self.near.agent.genesis), None, invitations)

    @contextmanager
    def opened(self) -> Iterator[Agent]:
        with open_home(self.home) as agent:
            yield agent

    def ended(self) -> None:
        """The operator ends every guest."""
        for key, _ in self.near.node.door.book.guests():
            self.near.node.door.book.end(key.hex())


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Hosted]:
    with thread(tmp_path / "node") as near, served(near.node) as url:
        yield Hosted(near, url, tmp_path / "ana")


def add(agent: Agent, cold: Path) -> None:
    people.add_person(agent, ANA, Role.PATIENT, cold_dir=cold)


def take_in(agent: Agent, data: bytes = CLEMENTE) -> None:
    importing.import_files(agent, ANA, [("a.json", data)], source="Hospital", progress=silent, as_of=None, other_patient_ok=False)


def granted(agent: Agent, near: World) -> bytes:
    """Ana lets a physician of another home read on; the grant's id."""
    contacts.add_contact(agent, people.own_card(near.agent, DOCTOR))
    made = granting.grant(
        agent,
        ANA,
        DOCTOR,
        sections=(SectionKind.VITALS,),
        rights=(Right.READ,),
        purposes=(Purpose.TREAT,),
        until_ms=agent.clock() + 72 * HOUR,
        lasting=granting.Lasting(standing=True),
    )
    return bytes.fromhex(made.grant)


def code(act: object) -> str:
    assert callable(act)
    with pytest.raises(SalusError) as refused:
        act()
    return refused.value.full_code


def test_an_invited_home_is_served_and_another_one_is_not(hosted: Hosted, tmp_path: Path) -> None:
    """GUE-5."""
    invitation = hosted.invitation()
    hosted.init(invitation)
    with hosted.opened() as agent:
        add(agent, tmp_path)
        take_in(agent)
        assert charting.open_chart(agent, ANA, ANA).shown
    hosted.home = tmp_path / "uninvited"
    hosted.init()
    with hosted.opened() as agent:
        assert code(lambda: add(agent, tmp_path / "cold")) == "node/not-invited"
        assert people.list_people(agent) == ()
        assert list((tmp_path / "cold").iterdir()) == []  # a wallet that was not made has no cold seed


def test_an_invitation_that_is_refused_leaves_no_home_and_another_one_makes_it(hosted: Hosted, tmp_path: Path) -> None:
    """GUE-5."""
    spent = hosted.invitation()
    hosted.init(spent, home=tmp_path / "other")
    assert code(lambda: hosted.init(spent)) == "node/invite-used"
    elsewhere = msgspec.structs.replace(hosted.invitation(), network=bytes(32))
    assert code(lambda: hosted.init(elsewhere)) == "agent/wrong-network"
    foreign = msgspec.structs.replace(hosted.invitation(), member=bytes(32))
    assert code(lambda: hosted.init(foreign)) == "agent/no-inviting-node"
    assert code(lambda: hosted.init(foreign, urls=(hosted.url, NOWHERE))) == "agent/node-unreachable"
    assert not (hosted.home / "genesis.bin").exists()
    hosted.init(hosted.invitation())


def test_a_new_home_comes_by_the_header_that_its_host_has_seen(hosted: Hosted) -> None:
    """GUE-13."""
    newest = hosted.near.node.header(None).header
    assert newest.height > 0
    invitation = hosted.near.node.door.book.invite(HOUR, 1, 1000, newest)
    assert read_invitation(invitation_text(invitation)) == invitation
    forked = msgspec.structs.replace(invitation, header=bytes(32))
    assert code(lambda: hosted.init(forked)) == "agent/forked-node"
    assert not (hosted.home / "genesis.bin").exists()
    assert hosted.near.node.door.book.guests() == []  # and nobody was told anything
    ahead = msgspec.structs.replace(invitation, height=newest.height + 1_000)
    assert code(lambda: hosted.init(ahead)) == "node/no-such-height"
    hosted.init(invitation)
    with hosted.opened() as agent:
        pin = agent.store.find(Trusted, b"", b"")
        assert pin is not None
        assert pin.height >= newest.height


def test_a_home_that_was_cut_off_after_redeeming_redeems_again(hosted: Hosted) -> None:
    """GUE-5, GUE-6."""
    invitation = hosted.invitation()
    hosted.init(invitation)
    (hosted.home / "genesis.bin").unlink()
    hosted.init(invitation)
    assert len(hosted.near.node.door.book.guests()) == 1


def test_an_invitation_finds_its_members_node_among_several(hosted: Hosted) -> None:
    """GUE-5."""
    hosted.init(hosted.invitation(), urls=(NOWHERE, hosted.url))
    assert len(hosted.near.node.door.book.guests()) == 1


def test_a_home_is_invited_later_when_it_moves(hosted: Hosted, tmp_path: Path) -> None:
    """GUE-5."""
    hosted.init()
    move_home(hosted.home, hosted.url, str, [hosted.invitation()])
    with hosted.opened() as agent:
        add(agent, tmp_path)


def test_a_copy_of_an_invitation_says_nothing_else(hosted: Hosted) -> None:
    """GUE-4."""
    invitation = hosted.invitation()
    text = invitation_text(invitation)
    assert read_invitation(text) == invitation
    for wrong in ("", text[:-4], text[:-1] + "!", text + "AAAA", text.replace("-1:", "-2:"), text + "é", "salus-invite-1:"):
        assert code(lambda wrong=wrong: read_invitation(wrong)) == "agent/bad-invitation"


def test_a_guest_whose_time_is_over_reads_takes_back_and_takes_everything_along(hosted: Hosted, tmp_path: Path) -> None:
    """GUE-2, GUE-12."""
    hosted.init(hosted.invitation())
    with hosted.opened() as agent:
        add(agent, tmp_path)
        take_in(agent)
        grant = granted(agent, hosted.near)
    hosted.ended()
    with hosted.opened() as agent:
        assert code(lambda: take_in(agent, PULSE)) == "node/invite-expired"
    with hosted.opened() as agent:  # what waits keeps nobody from anything
        assert charting.open_chart(agent, ANA, ANA).shown
        info = revoking.revoke(agent, ANA, grant.hex())
        assert info.refused_since_height > 0
        assert info.sealed_anew_since_height == info.refused_since_height
        assert exporting.export_person(agent, ANA, io.BytesIO(), "a long passphrase").missing == 0
        assert agent.store.all(Job, b"")
    move_home(hosted.home, hosted.url, str, [hosted.invitation()])
    with hosted.opened() as agent:
        assert agent.store.all(Job, b"") == []
        assert any("pulse-1" in str(version.identity) for version in charting.open_chart(agent, ANA, ANA).shown)


def test_a_revocation_that_was_cut_off_is_completed_by_one_who_is_no_guest_any_more(hosted: Hosted, tmp_path: Path) -> None:
    """GUE-2, GUE-12."""
    hosted.init(hosted.invitation())
    with hosted.opened() as agent:
        add(agent, tmp_path)
        take_in(agent)
        grant = granted(agent, hosted.near)
        wallet = agent.wallet(ANA)
        given = agent.store.find(GivenGrant, wallet.person, grant)
        assert given is not None
        asked = msgspec.structs.replace(given, ending=Ending.ASKED)
        with agent.store.writing():
            agent.store.put(wallet.person, grant, asked)
        link = given.made().sections[0].warrant.links[-1].link
    hosted.ended()
    state = hosted.near.node.engine.state
    assert load(state, revocation_key(link.revocation), Revoked) is None
    with hosted.opened():
        assert load(state, revocation_key(link.revocation), Revoked) is not None


def test_a_thief_is_locked_out_before_anybody_is_asked_for_an_invitation(hosted: Hosted, tmp_path: Path) -> None:
    """GUE-2, GUE-12."""
    hosted.init(hosted.invitation())
    with hosted.opened() as agent:
        add(agent, tmp_path / "safe")
        take_in(agent)
        section = agent.wallet(ANA).section(SectionKind.VITALS, network(agent))
    cold = people.read_cold((tmp_path / "safe" / "Ana.cold").read_bytes())
    state = hosted.near.node.engine.state
    hosted.home = tmp_path / "rescue"
    hosted.init()
    with hosted.opened() as agent:
        assert code(lambda: recovering.recover(agent, cold, cold_dir=tmp_path / "new")) == "node/not-invited"
    found = load(state, section_key(section.identity), Section)
    assert found is not None
    assert found.owner != section.owner.public
    move_home(hosted.home, hosted.url, str, [hosted.invitation()])
    with hosted.opened() as agent:
        assert charting.open_chart(agent, ANA, ANA).shown
        assert agent.store.all(recovering.RecoveryJob, b"") == []
    shutil.rmtree(tmp_path / "new")


def network(agent: Agent) -> NetworkId:
    return network_id(agent.genesis)


PULSE = b'{"resourceType": "Observation", "id": "pulse-1", "status": "final", "code": {"text": "Pulse"}}'
