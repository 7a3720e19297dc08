"""Between members: one that does not help is passed over, and another vault has what one lacks (MEM-12 to MEM-15)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from members_world import Members, guest, two_members
from salus.agent.own_sections import own_section
from salus.agent.services import charting, granting, inbox, pairing, people, receipting, revoking
from salus.agent.services.proving import verify_own
from salus.agent.services.receipting import BEHIND
from salus.charts.sections import DEFAULT_GRANT, SectionKind
from salus.codec import decode
from salus.errors import LedgerRefused, NodeRefused, SalusError, WarrantRefused
from salus.exchange.cards import Role
from salus.ledger.header import header_hash
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.tx import Transaction
from salus.warrants.holding import sign_owner
from salus.warrants.link import Purpose, Right
from salus.warrants.receipts import ReceiptsAnswer
from salus.warrants.requests import OwnerRequest, SignedOwner
from world import CLEMENTE, DOCTOR, HOUR, PATIENT, World, introduce, served

ANA = "Ana"


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Members]:
    with two_members(tmp_path) as made:
        yield made


class Unwilling:
    """A member's node that refuses every submission which ``refuses`` names, with one refusal."""

    def __init__(self, node: Any, refusal: SalusError, *, all_of_them: bool = True) -> None:
        self.node, self.refusal, self.willing = node, refusal, not all_of_them

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)

    def submit(self, submission: Any) -> Any:
        actions = decode(submission.transaction, Transaction, limit=1 << 20).body.actions
        if self.willing and not any(isinstance(action, Revoke) for action in actions):
            return self.node.submit(submission)
        raise self.refusal


def sponsors(members: Members) -> list[bytes]:
    """Who sponsored each transaction of the newest block."""
    newest = members.first.node.header(None).header.height
    data = members.first.node.engine.block(newest).transactions
    return [decode(one, Transaction, limit=1 << 20).body.sponsor for one in data]


def patient_reads(ana: World, members: Members, name: str = ANA, *, standing: bool = False) -> None:
    """A patient imports, and lets the doctor of the second member's home read."""
    people.add_person(ana.agent, name, Role.PATIENT, cold_dir=ana.home)
    ana.take_in(CLEMENTE, name)
    members.second.person(DOCTOR, Role.PHYSICIAN)
    introduce(members.second, DOCTOR, ana)
    until = ana.clock.now + HOUR
    options: dict[str, Any] = {"sections": DEFAULT_GRANT, "rights": (Right.READ,), "purposes": (Purpose.TREAT,)}
    granting.grant(ana.agent, name, DOCTOR, until_ms=until, lasting=granting.Lasting(standing, standing), **options)
    inbox.collect(members.second.agent, DOCTOR)


@pytest.mark.parametrize(
    "refusal",
    [NodeRefused("unexpected", "no"), LedgerRefused("quota-spent", "no"), LedgerRefused("already-revoked", "so it says")],
    ids=["refused", "quota", "a lie"],
)
def test_a_home_member_cannot_keep_a_patient_from_revoking(members: Members, tmp_path: Path, refusal: SalusError) -> None:
    unwilling: Any = Unwilling(members.second.node, refusal, all_of_them=False)
    with served(unwilling) as home, guest(members, tmp_path / "ana", home, members.urls[0]) as ana:
        patient_reads(ana, members, standing=True)
        done = revoking.revoke(ana.agent, ANA, reader=DOCTOR)
        assert done.refused_since_height
        assert done.sealed_anew_since_height
        (info,) = granting.access(ana.agent, ANA)
        assert info.status == "revoked"
        with pytest.raises(SalusError):
            charting.open_chart(members.second.agent, DOCTOR, ANA)


def test_a_vault_that_is_behind_catches_up_before_it_says_that_there_is_no_such_block(members: Members) -> None:
    members.first.person(ANA)
    members.first.take_in(CLEMENTE, ANA)
    members.follow()
    members.first.take_in(b'{"resourceType": "Condition", "id": "later", "code": {"text": "Cough"}}', ANA)
    behind, agent = members.second.node, members.first.agent
    header = members.first.node.header(None).header
    assert behind.status().height < header.height
    section = own_section(agent, agent.wallet(ANA), SectionKind.PROBLEMS)
    asked = (agent.network_id, behind.status().member, section.identity, 0, bytes(16), header.height, header_hash(header))
    assert behind.receipts(sign_owner(section.keys.owner, OwnerRequest(*asked))).total == 0
    rows = receipting.receipts(agent, ANA)
    assert [row.trouble for row in rows if row.trouble] == []


def test_where_no_node_takes_it_the_reason_stands_and_a_later_command_completes_it(members: Members, tmp_path: Path) -> None:
    unwilling: Any = Unwilling(members.second.node, NodeRefused("unexpected", "no"), all_of_them=False)
    with served(unwilling) as home, guest(members, tmp_path / "ana", home) as ana:
        patient_reads(ana, members)
        with pytest.raises(SalusError) as refused:
            revoking.revoke(ana.agent, ANA, reader=DOCTOR)
        assert refused.value.full_code == "node/unexpected"
        unwilling.willing, unwilling.submit = True, members.second.node.submit
        revoking.resume_revocations(ana.agent)
        assert [info.status for info in granting.access(ana.agent, ANA)] == ["revoked"]


def test_a_lie_that_it_was_revoked_is_not_believed(members: Members, tmp_path: Path) -> None:
    unwilling: Any = Unwilling(members.second.node, LedgerRefused("already-revoked", "so it says"), all_of_them=False)
    with served(unwilling) as home, guest(members, tmp_path / "ana", home) as ana:
        patient_reads(ana, members)
        with pytest.raises(SalusError) as refused:
            revoking.revoke(ana.agent, ANA, reader=DOCTOR)
        assert refused.value.full_code == "agent/not-revoked"


def test_another_members_node_sponsors_what_the_home_does_not(members: Members, tmp_path: Path) -> None:
    unwilling: Any = Unwilling(members.second.node, NodeRefused("unexpected", "no"))
    with served(unwilling) as home, guest(members, tmp_path / "ana", home, members.urls[0]) as ana:
        people.add_person(ana.agent, ANA, Role.PATIENT, cold_dir=ana.home)
        ana.take_in(CLEMENTE, ANA)
        assert sponsors(members) == [members.first.node.status().member]
        assert charting.open_chart(ana.agent, ANA, ANA).shown


def test_what_one_vault_lacks_or_spoils_another_gives(members: Members) -> None:
    members.first.person(PATIENT)
    members.first.take_in(CLEMENTE)
    members.follow()
    blobs = members.first.node.blobs
    spoilt, *lost = sorted(blobs.stock())
    blobs._path(spoilt).write_bytes(b"spoilt")
    for blob in lost:
        blobs.remove(blob)
    assert verify_own(members.first.agent, PATIENT).troubles == ()
    rows = receipting.receipts(members.first.agent, PATIENT)
    assert {row.vault for row in rows} == {world.node.status().member.hex() for world in (members.first, members.second)}
    assert all(row.reader_name == "you" and not row.trouble for row in rows)


def test_a_vault_whose_node_is_a_moment_behind_catches_up_and_raises_no_alarm(members: Members) -> None:
    """MEM-16: the newest block is of now, and the second member's node has not asked for it yet."""
    members.first.person(PATIENT)
    members.first.take_in(CLEMENTE)
    members.first.clock.now += members.first.agent.genesis.parameters.header_interval
    rows = receipting.receipts(members.first.agent, PATIENT)
    assert [row.trouble for row in rows if row.trouble] == []


@pytest.mark.parametrize(("behind", "troubles"), [(BEHIND, []), (BEHIND + 1, ["warrants/unknown-block"])])
def test_a_vault_that_waits_for_a_block_raises_no_alarm_unless_it_is_far_behind(
    members: Members, monkeypatch: pytest.MonkeyPatch, behind: int, troubles: list[str]
) -> None:
    """MEM-28."""
    members.first.person(PATIENT)
    members.first.take_in(CLEMENTE)
    network, second = members.first.agent.network, members.second.node.status().member
    has, real = network.header(None).header.height - behind, network.receipts
    assert has > 0

    def receipts(asked: SignedOwner) -> ReceiptsAnswer:
        if asked.request.vault == second and asked.request.height > has:
            raise WarrantRefused("unknown-block", "not there yet")
        return real(asked)

    monkeypatch.setattr(network, "receipts", receipts)
    found = {row.trouble for row in receipting.receipts(members.first.agent, PATIENT)} - {""}
    assert sorted(found) == troubles


def test_a_device_at_a_node_that_is_behind_joins_when_it_has_caught_up(members: Members) -> None:
    """It would be a wallet without its sections."""
    members.first.person(PATIENT)
    members.first.take_in(CLEMENTE)
    paired = pairing.add_device(members.first.agent, PATIENT, "second")
    first = members.first.node.status().member
    members.second.node.peers.know(first, "http://127.0.0.1:9")
    with pytest.raises(SalusError) as refused:
        pairing.join(members.second.agent, paired.text, paired.code)
    assert refused.value.full_code == "agent/stale-node"
    members.second.node.peers.know(first, members.urls[0])
    pairing.join(members.second.agent, paired.text, paired.code)
    assert charting.open_chart(members.second.agent, PATIENT, PATIENT).shown


def test_a_vault_that_refuses_one_whom_the_other_serves_hides_nothing(members: Members) -> None:
    members.first.person(PATIENT)
    members.first.take_in(CLEMENTE)
    members.follow()

    def refuse(_: Any) -> Any:
        raise WarrantRefused("refused", "no")

    members.first.node.vault.serve = refuse  # type: ignore[method-assign]
    assert verify_own(members.first.agent, PATIENT).troubles == ()


def test_readings_at_either_vault_are_seen_and_a_vault_that_is_gone_is_named(members: Members) -> None:
    patient_reads(members.first, members, PATIENT)
    members.follow()
    charting.open_chart(members.second.agent, DOCTOR, PATIENT)
    second = members.second.node.status().member
    seen = [row for row in receipting.receipts(members.first.agent, PATIENT) if row.reader_name == DOCTOR]
    assert {row.vault for row in seen} == {second.hex()}
    assert all(not row.trouble for row in seen)
    members.first.node.peers.know(second, "http://127.0.0.1:9")
    rows = receipting.receipts(members.first.agent, PATIENT)
    assert [row.trouble for row in rows if row.trouble] == ["node/peer-unreachable"]
    assert len([row for row in rows if row.reader_name == DOCTOR]) == len(seen)  # what was seen stays


def test_a_third_party_is_refused_where_the_newest_block_is_too_old(members: Members) -> None:
    patient_reads(members.first, members, PATIENT)
    members.follow()
    members.second.node.peers.know(members.first.node.status().member, "http://127.0.0.1:9")
    assert charting.open_chart(members.second.agent, DOCTOR, PATIENT).shown
    members.first.clock.now += members.first.agent.genesis.parameters.max_staleness + 1000
    with pytest.raises(SalusError) as refused:
        charting.open_chart(members.second.agent, DOCTOR, PATIENT)
    assert refused.value.full_code == "warrants/stale-request"
