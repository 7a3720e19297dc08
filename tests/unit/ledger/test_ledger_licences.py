"""Licences: who may issue what, the lifecycle, and the status at a time."""

from __future__ import annotations

import pytest

from ledger_world import CLINIC, LAB, SMALL_ORDER, START, STEP, Ledger, licence_for, public, some
from salus.codec import decode
from salus.errors import LedgerRefused
from salus.ids import LicenceId
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.licences.messages import IssueLicence, LicenceStatus, SetLicenceStatus
from salus.ledger.modules.licences.queries import licence
from salus.ledger.modules.licences.state import LIFECYCLE, MAX_CHANGES, Licence, StatusSince, licence_key, status_at
from salus.ledger.modules.members.queries import member
from salus.ledger.tx import licence_id

ACTIVE, SUSPENDED, ENDED = LicenceStatus.ACTIVE, LicenceStatus.SUSPENDED, LicenceStatus.ENDED


def issued(ledger: Ledger, *rights: LicenceRight, expires: int = 0) -> LicenceId:
    """The id of a licence that was issued just now."""
    return licence_id(ledger.done(licence_for("doctor", *rights, expires=expires), by=["clinic authority"]), 0)


def move(ledger: Ledger, identity: bytes, status: LicenceStatus) -> str:
    return ledger.do(SetLicenceStatus(identity, status), by=["clinic authority"])


def test_a_licence_says_who_may_do_what_since_when() -> None:
    """TX-17, STATE-2."""
    ledger = Ledger()
    identity = issued(ledger, LicenceRight.TREAT, LicenceRight.ORDER, expires=START * 2)
    assert licence(ledger.store, identity) == Licence(
        CLINIC,
        some("doctor"),
        public("doctor"),
        some("card of doctor"),
        (LicenceRight.TREAT, LicenceRight.ORDER),
        START * 2,
        (StatusSince(ACTIVE, START + STEP, 1),),
    )


def test_each_action_of_a_body_issues_a_licence_of_its_own() -> None:
    """ENC-11: the id is of the body's hash and the action's index."""
    ledger = Ledger()
    body = ledger.done(licence_for("doctor"), licence_for("nurse"), by=["clinic authority"])
    people = [licence(ledger.store, licence_id(body, index)).person for index in range(2)]
    assert people == [some("doctor"), some("nurse")]


@pytest.mark.parametrize(
    ("what", "issuer", "rights", "code"),
    [
        ("a right that the lab has", "lab", (LicenceRight.REPORT,), ""),
        ("a right that the lab has not", "lab", (LicenceRight.TREAT,), "ledger/right-not-given"),
        ("one right of two that the lab has not", "lab", (LicenceRight.REPORT, LicenceRight.ORDER), "ledger/right-not-given"),
        ("a right that nobody gave", "clinic", (LicenceRight.PRESCRIBE_CONTROLLED,), "ledger/right-not-given"),
        ("two rights that the clinic has", "clinic", (LicenceRight.TREAT, LicenceRight.PRESCRIBE), ""),
    ],
)
def test_a_member_licenses_only_what_it_may(what: str, issuer: str, rights: tuple[LicenceRight, ...], code: str) -> None:
    """TX-17."""
    message = licence_for("doctor", *rights, issuer={"lab": LAB, "clinic": CLINIC}[issuer])
    assert Ledger().do(message, by=[f"{issuer} authority"]) == code, what


def test_a_member_issues_in_its_own_name_only() -> None:
    """TX-9."""
    ledger = Ledger()
    assert ledger.do(licence_for("doctor", issuer=CLINIC), by=["lab authority"], sponsor="lab") == "ledger/wrong-signers"
    assert ledger.do(licence_for("doctor", issuer=some("nobody")), by=["clinic authority"]) == "ledger/no-such-member"


def test_a_licence_is_for_a_sound_key() -> None:
    """TX-17, ENC-13."""
    message = IssueLicence(CLINIC, some("doctor"), SMALL_ORDER, some("card"), (LicenceRight.TREAT,), 0)
    assert Ledger().do(message, by=["clinic authority"]) == "crypto/unsound-key"


def test_a_licence_without_rights_is_no_licence() -> None:
    """ENC-6."""
    message = IssueLicence(CLINIC, some("doctor"), public("doctor"), some("card"), (), 0)
    assert Ledger().do(message, by=["clinic authority"]) == "codec/not-decodable"


@pytest.mark.parametrize("path", [(), (SUSPENDED,), (ENDED,), (SUSPENDED, ACTIVE), (SUSPENDED, ENDED)])
@pytest.mark.parametrize("target", list(LicenceStatus))
def test_a_licence_moves_by_its_table(path: tuple[LicenceStatus, ...], target: LicenceStatus) -> None:
    """TX-18."""
    ledger = Ledger()
    identity = issued(ledger)
    for status in path:
        assert move(ledger, identity, status) == ""
    now = (ACTIVE, *path)[-1]
    allowed = {ACTIVE: {SUSPENDED, ENDED}, SUSPENDED: {ACTIVE, ENDED}, ENDED: set()}[now]
    assert move(ledger, identity, target) == ("" if target in allowed else "ledger/wrong-status")
    assert set(LIFECYCLE[now]) == allowed


def test_a_licence_that_was_never_issued_does_not_move() -> None:
    """TX-18."""
    assert move(Ledger(), some("nothing"), ENDED) == "ledger/no-such-licence"


def test_the_status_at_a_time_is_that_of_the_interval() -> None:
    """TX-19: an answer for every past moment, from today's state."""
    ledger = Ledger()
    identity = issued(ledger)
    times = {}
    for status in (SUSPENDED, ACTIVE, ENDED):
        assert move(ledger, identity, status) == ""
        times[status] = ledger.time
    found = licence(ledger.store, identity)
    began = START + STEP
    moments = [
        (0, None),
        (began - 1, None),
        (began, ACTIVE),
        (times[SUSPENDED] - 1, ACTIVE),
        (times[SUSPENDED], SUSPENDED),
        (times[ACTIVE] - 1, SUSPENDED),
        (times[ACTIVE], ACTIVE),
        (times[ENDED] - 1, ACTIVE),
        (times[ENDED], ENDED),
        (times[ENDED] + START, ENDED),
    ]
    assert [(at, status_at(found, at)) for at, _ in moments] == moments
    assert [interval.height for interval in found.intervals] == [1, 2, 3, 4]


def test_a_licence_ends_when_it_expires() -> None:
    """TX-19: from ``expires`` on, whatever the newest interval says."""
    ledger = Ledger()
    found = licence(ledger.store, issued(ledger, expires=START + 10_000))
    assert [status_at(found, START + at) for at in (999, 1_000, 9_999, 10_000)] == [None, ACTIVE, ACTIVE, ENDED]


def test_a_licence_keeps_at_most_so_many_intervals() -> None:
    """TX-18: 256 intervals, so 255 changes."""
    ledger = Ledger()
    identity = issued(ledger)
    for _ in range((MAX_CHANGES - 1) // 5):
        changes = [SetLicenceStatus(identity, status) for status in (SUSPENDED, ACTIVE, SUSPENDED, ACTIVE)]
        assert ledger.do(*changes, by=["clinic authority"]) == ""
    while len(licence(ledger.store, identity).intervals) < MAX_CHANGES:
        last = licence(ledger.store, identity).intervals[-1].status
        assert move(ledger, identity, SUSPENDED if last == ACTIVE else ACTIVE) == ""
    last = licence(ledger.store, identity).intervals[-1].status
    assert move(ledger, identity, last) == "ledger/wrong-status"
    assert move(ledger, identity, ENDED) == "ledger/too-many-changes"
    leaf = ledger.store.get(licence_key(identity)) or b""
    assert len(decode(leaf, Licence, limit=262_144).intervals) == MAX_CHANGES


def test_members_stand_in_genesis_and_are_found_by_id() -> None:
    """TX-2."""
    ledger = Ledger()
    assert member(ledger.store, LAB).rights == (LicenceRight.REPORT,)
    with pytest.raises(LedgerRefused) as refused:
        member(ledger.store, some("nobody"))
    assert refused.value.full_code == "ledger/no-such-member"
