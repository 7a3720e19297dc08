"""What members decide together: who may propose and vote, when it is decided, when it has its effect, and what is impossible."""

from __future__ import annotations

import pytest

from council_world import LOCK, VOTING, Council, council, identity, peer
from ledger_world import SMALL_ORDER, START, STEP, licence_for, public, signed, some
from salus.codec import encode
from salus.errors import LedgerRefused, SalusError
from salus.ids import Height, Millis
from salus.ledger.app import Application
from salus.ledger.genesis import LicenceRight
from salus.ledger.machine import Block, Machine
from salus.ledger.modules.governance.messages import (
    AdmitMember,
    CastVote,
    Change,
    Propose,
    RemoveMember,
    SetPower,
    SetRights,
    UndoLicences,
    Upgrade,
)
from salus.ledger.modules.governance.queries import planned_rules, proposal
from salus.ledger.modules.governance.state import MAX_OPEN, PROPOSALS, RULES, Rules, Stage
from salus.ledger.modules.licences.messages import LicenceStatus, SetLicenceStatus
from salus.ledger.modules.licences.queries import licence
from salus.ledger.modules.licences.state import StatusSince, status_at
from salus.ledger.modules.members.messages import RenewValidator
from salus.ledger.modules.members.queries import current_members, known_member, member, peer_is_member, seated, seats
from salus.ledger.modules.members.state import MAX_MEMBERS, ROSTER, Misbehaviour, Roster, misbehaviour_key
from salus.ledger.store import Overlay, load
from salus.ledger.tx import licence_id

TREAT, ORDER = LicenceRight.TREAT, LicenceRight.ORDER


def admission(name: str = "e") -> AdmitMember:
    return AdmitMember(public(f"{name} authority"), public(f"{name} node"), (TREAT,), public(f"{name} validator"), peer(name))


def powers(ledger: Council) -> dict[bytes, int]:
    return {one: seat.power for one, seat in seats(ledger.store)}


def refused(check: object, *args: object) -> str:
    try:
        check(*args)  # type: ignore[operator]
    except SalusError as error:
        return error.full_code
    return ""


# --- votes


def test_two_thirds_decide_and_the_effect_comes_when_the_time_lock_ends() -> None:
    """GOV-1, GOV-4, GOV-5."""
    ledger = Council()
    assert ledger.propose(RemoveMember(identity("d"))) == ""
    assert ledger.vote("b") == ""
    assert ledger.newest().stage is Stage.OPEN
    assert ledger.vote("c") == ""
    found = ledger.newest()
    assert (found.stage, found.effect, found.yes) == (Stage.ACCEPTED, ledger.time + LOCK, tuple(map(identity, "abc")))
    ledger.wait(LOCK - 1)
    assert (ledger.newest().stage, member(ledger.store, identity("d")).removed) == (Stage.ACCEPTED, 0)
    ledger.wait(1)
    assert (ledger.newest().stage, known_member(ledger.store, identity("d")).removed) == (Stage.DONE, ledger.time)


def test_what_cannot_find_two_thirds_any_more_is_refused_and_what_does_not_in_time_lapses() -> None:
    """GOV-4, GOV-6."""
    ledger = Council()
    assert ledger.propose(RemoveMember(identity("d"))) == ""
    assert ledger.vote("d", favour=False) == ""
    assert ledger.newest().stage is Stage.OPEN
    assert ledger.vote("c", favour=False) == ""
    assert ledger.newest().stage is Stage.REFUSED
    assert ledger.propose(RemoveMember(identity("d"))) == ""
    opened = ledger.time
    ledger.wait(VOTING - 1)
    assert ledger.newest().stage is Stage.OPEN
    ledger.block(at=opened + VOTING)
    assert ledger.newest().stage is Stage.LAPSED
    assert ledger.vote("b") == "ledger/vote-closed"
    ledger.wait(VOTING)
    assert ledger.newest().stage is Stage.LAPSED


def test_a_lone_member_decides_alone_and_waits_for_the_time_lock_all_the_same() -> None:
    """GOV-4, GOV-5."""
    ledger = Council(council("a"))
    assert ledger.propose(admission()) == ""
    assert ledger.newest().stage is Stage.ACCEPTED
    ledger.wait()
    assert current_members(ledger.store) == (identity("a"), identity("e"))


def test_votes_out_of_order_twice_late_or_by_nobody_are_refused() -> None:
    """GOV-2, GOV-3."""
    ledger = Council()
    assert ledger.vote("a", 1) == "ledger/no-such-proposal"
    assert ledger.propose(RemoveMember(identity("d"))) == ""
    assert ledger.vote("a") == "ledger/voted-already"
    assert ledger.vote("b", 2) == "ledger/no-such-proposal"
    assert ledger.act("b", CastVote(identity("c"), 1, True)) == "ledger/wrong-signers"
    assert ledger.act("b", CastVote(some("nobody"), 1, True)) == "ledger/no-such-member"
    assert ledger.act("b", Propose(some("nobody"), RemoveMember(identity("d")), bytes(32))) == "ledger/no-such-member"
    assert ledger.vote("b") == ledger.vote("c") == ""
    assert ledger.vote("d") == "ledger/vote-closed"
    assert ledger.vote("b") == "ledger/voted-already"
    ledger.wait()
    assert ledger.vote("d") == "ledger/member-removed"
    assert ledger.propose(admission(), "d") == "ledger/member-removed"


def test_votes_of_removed_members_do_not_count() -> None:
    """GOV-4."""
    ledger = Council(council(*"abcde"))
    assert ledger.propose(SetRights(identity("a"), ()), "e") == ""
    assert ledger.propose(RemoveMember(identity("e"))) == ledger.vote("b") == ledger.vote("c") == ledger.vote("d") == ""
    ledger.wait()
    assert ledger.vote("b", 1) == ledger.vote("c", 1) == ""
    assert proposal(ledger.store, 1).stage is Stage.OPEN  # two of the four that are left
    assert ledger.vote("d", 1) == ""
    assert proposal(ledger.store, 1).stage is Stage.ACCEPTED


def test_a_member_has_so_many_open_proposals_and_may_propose_again_when_one_is_decided() -> None:
    """GOV-3."""
    ledger = Council()
    for _ in range(MAX_OPEN):
        assert ledger.propose(SetRights(identity("b"), (TREAT, ORDER))) == ""
    assert ledger.propose(RemoveMember(identity("d"))) == "ledger/too-many-proposals"
    assert ledger.propose(RemoveMember(identity("d")), "b") == ""
    assert ledger.vote("b", 1) == ledger.vote("c", 1) == ""
    assert ledger.propose(RemoveMember(identity("d"))) == ""


def test_what_has_become_impossible_fails_and_says_why() -> None:
    """GOV-5."""
    ledger = Council()
    for _ in range(2):
        assert ledger.propose(RemoveMember(identity("d"))) == ledger.vote("b") == ledger.vote("c") == ""
    ledger.wait()
    found = proposal(ledger.store, 2)
    assert (proposal(ledger.store, 1).stage, found.stage, found.failure) == (Stage.DONE, Stage.FAILED, "ledger/member-removed")


def test_a_change_that_fails_leaves_nothing_behind() -> None:
    """GOV-5."""
    ledger = Council(council(*"abcdefg"))
    for change in (SetPower(identity("d"), 2), SetPower(identity("e"), 0), SetPower(identity("c"), 0)):
        assert ledger.propose(change) == ""
        assert [ledger.vote(name) for name in "bcde"] == [""] * 4
    ledger.wait()
    assert [proposal(ledger.store, number).stage for number in (1, 2, 3)] == [Stage.DONE, Stage.DONE, Stage.FAILED]
    assert powers(ledger) == {identity("d"): 2} | {identity(name): 1 for name in "abcfg"}


# --- what is impossible


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (AdmitMember(SMALL_ORDER, public("e node"), (), some("v"), bytes(20)), "crypto/unsound-key"),
        (AdmitMember(public("e authority"), SMALL_ORDER, (), some("v"), bytes(20)), "crypto/unsound-key"),
        (AdmitMember(public("a authority"), public("e node"), (), some("v"), bytes(20)), "ledger/member-exists"),
        (AdmitMember(public("e authority"), public("b node"), (), some("v"), bytes(20)), "ledger/key-taken"),
        (RemoveMember(some("nobody")), "ledger/no-such-member"),
        (SetRights(some("nobody"), ()), "ledger/no-such-member"),
        (SetPower(some("nobody"), 1), "ledger/no-such-member"),
        (SetPower(identity("b"), 2), "ledger/too-much-power"),
        (SetPower(identity("b"), 1), ""),
        (UndoLicences(some("nobody"), 1), "ledger/no-such-member"),
        (UndoLicences(identity("a"), 10), "ledger/height-to-come"),
        (Upgrade(1, 2), "ledger/height-passed"),
        (Upgrade(100, 1), "ledger/wrong-version"),
        (Upgrade(100, 3), "ledger/wrong-version"),
        (Upgrade(100, 2), ""),
    ],
)
def test_what_is_impossible_is_not_voted_on(change: Change, code: str) -> None:
    """GOV-3."""
    ledger = Council()
    assert ledger.propose(change) == code
    assert (ledger.store.get(PROPOSALS) is None) == bool(code)


def test_a_network_has_so_many_members_and_no_more() -> None:
    """GOV-7."""
    ledger = Council()
    state = Overlay(ledger.store)
    state.put(ROSTER, encode(Roster(current_members(ledger.store) * (MAX_MEMBERS // 4))))
    ledger.store.apply(state.changes)
    assert ledger.propose(admission()) == "ledger/too-many-members"


def test_where_one_member_orders_alone_it_stays_and_nobody_has_a_seat() -> None:
    """GOV-9."""
    ledger = Council(council("a", "b", validating=False))
    assert ledger.propose(RemoveMember(identity("a"))) == "ledger/last-validator"
    assert ledger.propose(SetPower(identity("b"), 1)) == "ledger/no-such-validator"
    assert ledger.decide(RemoveMember(identity("b")), "ab").stage is Stage.DONE


# --- members


def test_an_admitted_member_sponsors_votes_and_licenses_what_it_may() -> None:
    """GOV-7."""
    ledger = Council()
    assert ledger.act("e", licence_for("doctor", issuer=identity("e"))) == "ledger/no-such-member"
    assert ledger.decide(admission()).stage is Stage.DONE
    assert ledger.act("e", licence_for("doctor", issuer=identity("e"))) == ""
    assert ledger.act("e", licence_for("doctor", ORDER, issuer=identity("e"))) == "ledger/right-not-given"
    assert ledger.propose(SetRights(identity("e"), (ORDER,)), "e") == ""
    assert powers(ledger) == {identity(name): 1 for name in "abcd"}
    assert peer_is_member(ledger.store, peer("e"))
    assert not peer_is_member(ledger.store, peer("f"))
    assert ledger.propose(admission()) == "ledger/member-exists"


def test_rights_that_were_given_and_taken_hold_for_new_licences() -> None:
    """GOV-8."""
    ledger = Council()
    assert ledger.decide(SetRights(identity("a"), (ORDER,))).stage is Stage.DONE
    assert ledger.act("a", licence_for("doctor", ORDER, issuer=identity("a"))) == ""
    assert ledger.act("a", licence_for("doctor", issuer=identity("a"))) == "ledger/right-not-given"


def test_a_removed_member_sponsors_and_licenses_nothing_but_may_take_its_licences_back() -> None:
    """GOV-9."""
    ledger = Council()
    body = ledger.body(licence_for("doctor", issuer=identity("d")), sponsor=identity("d"))
    (result,) = ledger.block(encode(signed(body, "d node", "d authority")))
    issued = licence_id(result.body, 0)
    assert ledger.decide(RemoveMember(identity("d"))).stage is Stage.DONE
    assert identity("d") not in current_members(ledger.store)
    assert identity("d") not in powers(ledger)
    assert not peer_is_member(ledger.store, peer("d"))
    assert ledger.act("d", licence_for("nurse", issuer=identity("d"))) == "ledger/member-removed"
    assert ledger.act("a", licence_for("nurse", issuer=identity("d")), by=["d authority"]) == "ledger/member-removed"
    take = SetLicenceStatus(issued, LicenceStatus.SUSPENDED)
    assert ledger.act("a", take, by=["d authority"]) == ""
    give = SetLicenceStatus(issued, LicenceStatus.ACTIVE)
    assert ledger.act("a", give, by=["d authority"]) == "ledger/member-removed"
    assert ledger.propose(RemoveMember(identity("d"))) == "ledger/member-removed"


# --- validators


def test_a_seat_is_given_weighed_and_taken_and_the_engine_is_told() -> None:
    """GOV-10, NET-14."""
    ledger = Council()
    assert ledger.decide(admission()).stage is Stage.DONE
    told = list[tuple[tuple[bytes, int], ...]]()
    finalize = ledger.app.finalize_block
    ledger.app.finalize_block = lambda block: told.append((final := finalize(block)).seats) or final  # type: ignore[method-assign]
    assert ledger.decide(SetPower(identity("e"), 1), "abcd").stage is Stage.DONE
    assert ledger.decide(SetPower(identity("e"), 0), "abcd").stage is Stage.DONE
    assert [one for one in told if one] == [((public("e validator"), 1),), ((public("e validator"), 0),)]
    assert [one.power for one in seated(ledger.store)] == [1, 1, 1, 1]


def test_no_validator_outweighs_the_others_so_that_they_could_not_go_on_without() -> None:
    """GOV-10."""
    ledger = Council(council(*"abcdefg"))
    assert ledger.decide(SetPower(identity("a"), 2), "abcde").stage is Stage.DONE
    assert ledger.propose(SetPower(identity("a"), 3)) == "ledger/too-much-power"  # of nine
    assert ledger.decide(RemoveMember(identity("g")), "abcde").stage is Stage.DONE
    assert ledger.propose(RemoveMember(identity("f"))) == "ledger/too-much-power"  # two of six
    assert ledger.decide(SetPower(identity("a"), 1), "abcde").stage is Stage.DONE
    assert ledger.decide(RemoveMember(identity("f")), "abcde").stage is Stage.DONE


def test_the_last_validator_stays() -> None:
    """GOV-10."""
    ledger = Council(council("a", "b"))
    assert ledger.decide(SetPower(identity("b"), 0), "ab").stage is Stage.DONE
    assert ledger.propose(SetPower(identity("b"), 0)) == "ledger/no-such-validator"
    assert ledger.propose(SetPower(identity("a"), 0)) == "ledger/last-validator"
    assert ledger.propose(RemoveMember(identity("a"))) == "ledger/last-validator"


def test_a_validator_takes_a_new_key_by_itself_and_nobody_takes_anothers() -> None:
    """GOV-11."""
    ledger = Council()
    renewed = RenewValidator(identity("a"), public("another validator"))
    assert ledger.act("a", renewed) == ""
    assert {seat.key for _, seat in seats(ledger.store)} == {
        public("another validator"),
        *(public(f"{name} validator") for name in "bcd"),
    }
    assert ledger.act("b", RenewValidator(identity("b"), public("another validator"))) == "ledger/key-taken"
    assert ledger.act("b", RenewValidator(identity("b"), public("a validator"))) == "ledger/key-taken"  # it answers for it still
    assert ledger.act("b", RenewValidator(identity("a"), public("b's"))) == "ledger/wrong-signers"
    assert ledger.act("b", RenewValidator(identity("b"), SMALL_ORDER)) == "crypto/unsound-key"
    assert ledger.act("a", RenewValidator(identity("a"), public("a validator"))) == ""


def test_one_without_a_seat_takes_a_new_key_too_and_sits_with_it_later() -> None:
    """GOV-11."""
    ledger = Council()
    ledger.decide(admission())
    assert ledger.act("e", RenewValidator(identity("e"), public("new validator"))) == ""
    assert identity("e") not in powers(ledger)
    assert ledger.decide(SetPower(identity("e"), 1), "abcd").stage is Stage.DONE
    assert public("new validator") in [one.key for one in seated(ledger.store)]


def caught(ledger: Council, *where: bytes) -> None:
    ledger.time += STEP
    ledger.app.finalize_block(Block(Height(ledger.height + 1), Millis(ledger.time), (), where))
    ledger.store.apply(ledger.app.commit())
    ledger.app.committed()


def test_a_validator_that_signed_two_blocks_of_one_height_loses_its_seat_also_by_a_key_that_it_gave_up() -> None:
    """GOV-12."""
    ledger = Council()
    assert ledger.act("a", RenewValidator(identity("a"), public("another validator"))) == ""
    caught(ledger, ledger.validator("a"), ledger.validator("b"), some("nobody")[:20])
    assert powers(ledger) == {identity(name): 1 for name in "cd"}
    found = load(ledger.store, misbehaviour_key(identity("b")), Misbehaviour)
    assert found == Misbehaviour(public("b validator"), ledger.time, ledger.height)
    caught(ledger, ledger.validator("b"))
    assert powers(ledger) == {identity(name): 1 for name in "cd"}
    caught(ledger, ledger.validator("c"), ledger.validator("d"))
    assert powers(ledger) == {identity("d"): 1}  # nobody else could go on


# --- licences


def test_licences_of_an_issuer_since_a_height_are_undone_as_if_they_never_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOV-13."""
    monkeypatch.setattr("salus.ledger.modules.licences.undoing.AT_ONCE", 2)
    ledger, ids = Council(), list[bytes]()
    for name, issuer in (("early", "a"), ("one", "a"), ("two", "a"), ("three", "a"), ("other", "b")):
        body = ledger.body(licence_for(name, issuer=identity(issuer)), sponsor=identity(issuer))
        (result,) = ledger.block(encode(signed(body, f"{issuer} node", f"{issuer} authority")))
        ids.append(licence_id(result.body, 0))
    since = ledger.height - 3
    assert ledger.decide(UndoLicences(identity("a"), since)).stage is Stage.DONE
    for _ in range(3):
        ledger.wait(STEP)
    statuses = [status_at(licence(ledger.store, one), ledger.time) for one in ids]
    assert statuses == [LicenceStatus.ACTIVE, *[LicenceStatus.UNDONE] * 3, LicenceStatus.ACTIVE]
    undone = licence(ledger.store, ids[1])
    assert undone.intervals == (StatusSince(LicenceStatus.UNDONE, undone.intervals[0].time, since),)
    assert ledger.act("a", SetLicenceStatus(ids[1], LicenceStatus.ACTIVE)) == "ledger/wrong-status"


# --- rules


def test_a_node_that_does_not_know_the_rules_that_begin_stops_before_their_block() -> None:
    """GOV-14."""
    ledger = Council()
    begins = ledger.height + 8
    assert ledger.decide(Upgrade(begins, 2)).stage is Stage.DONE
    assert planned_rules(ledger.store) == Rules(begins, 2)
    assert ledger.propose(Upgrade(begins + 9, 3)) == "ledger/wrong-version"  # one after the other
    while ledger.height < begins - 1:
        ledger.wait(STEP)
    assert (ledger.app.rules(), ledger.app.begun_rules(begins - 1), ledger.app.begun_rules(begins)) == (1, 0, 2)
    with pytest.raises(LedgerRefused) as stopped:
        ledger.wait(STEP)
    assert stopped.value.full_code == "ledger/upgrade-needed"
    machine = Machine(ledger.genesis, ledger.app.machine.modules, newest_rules=2)
    newer = Application(ledger.genesis, ledger.store, ledger.height)
    newer.machine = machine
    newer.finalize_block(Block(Height(begins), Millis(ledger.time + STEP), ()))
    ledger.store.apply(newer.commit())
    newer.committed()
    assert (newer.rules(), ledger.store.get(RULES) is not None) == (2, True)


def test_genesis_names_every_member_in_the_roster() -> None:
    """TX-2."""
    assert current_members(Council().store) == tuple(map(identity, "abcd"))
    assert refused(member, Council().store, identity("e")) == "ledger/no-such-member"
    assert Council().time == START
