"""Supply while no node can be reached: by what a code proves, reconciled later, and told where it is a double."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from prescribing_world import PHARMACIST, RIVAL, Town, town
from salus.agent.services import corresponding, dispensing, inbox, licensing, outage, people, prescribed, reconciling
from salus.agent.services.dispensing import Supply
from salus.agent.services.outage import OutageInfo, OutageSupply
from salus.agent.services.prescribing import Terms
from salus.agent.services.resuming import resume
from salus.codec import encode
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey, person_id
from salus.errors import AgentRefused, SalusError
from salus.exchange.envelopes import Letter, LetterKind
from salus.exchange.outage import sign_statement
from salus.exchange.prescribing import PrescriptionCode
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.prescriptions.state import DAY
from world import DOCTOR, PATIENT, World, introduce

ALL = Supply(quantity="30 capsules", batch="A17")


class Unreachable:
    """A network of which no node answers."""

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: object, **__: object) -> None:
            raise AgentRefused("node-unreachable", "the node does not answer")

        return refuse


@contextmanager
def cut_off(place: World) -> Iterator[None]:
    """Nothing of this home reaches a node meanwhile."""
    network = place.agent.network
    place.agent.network = Unreachable()  # type: ignore[assignment]
    try:
        yield
    finally:
        place.agent.network = network


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Town]:
    """Both pharmacies have seen the prescriber once, and everybody can write to everybody."""
    with town(tmp_path) as made:
        made.open(made.issue(drug="Loratadine 10 mg"))
        introduce(made.home, DOCTOR, made.near, made.far)
        introduce(made.far, RIVAL, made.near)
        introduce(made.near, PHARMACIST, made.far)
        yield made


def supply(there: Town, code: PrescriptionCode, handed: Supply = ALL) -> OutageInfo:
    """The near pharmacy supplies while it is cut off."""
    with cut_off(there.near):
        return outage.supply_code(there.near.agent, PHARMACIST, code, handed)


def refused(there: Town, code: PrescriptionCode, handed: Supply = ALL) -> str:
    """By which code that is refused."""
    with pytest.raises(SalusError) as caught:
        supply(there, code, handed)
    return caught.value.full_code


def kept(there: Town) -> OutageSupply:
    """The near pharmacy's only supply."""
    agent = there.near.agent
    return agent.store.all(OutageSupply, agent.wallet(PHARMACIST).person)[0][1]


def look(place: World, name: str) -> list[str]:
    """What a look at the inbox tells."""
    resume(place.agent)
    return [item.what for item in inbox.collect(place.agent, name)]


def test_what_was_supplied_during_an_outage_is_dispensed_once_a_node_answers(there: Town) -> None:
    handle = there.issue()
    info = supply(there, there.code(handle))
    assert {check.what: check.result for check in info.checks}["unredeemed"] == "not done"
    assert kept(there).code.record is None
    resume(there.near.agent)
    resume(there.near.agent)
    assert there.statuses(handle) == ["completed"]
    assert kept(there).settled
    assert any("has handed over" in text for text in look(there.home, PATIENT))
    assert not any("URGENT" in text for text in look(there.home, DOCTOR))


def test_a_double_is_told_to_patient_prescriber_and_both_pharmacies(there: Town) -> None:
    handle = there.issue()
    there.open(handle)
    supply(there, there.code(handle))
    dispensing.accept(there.far.agent, RIVAL, handle, 1)
    dispensing.dispense(there.far.agent, RIVAL, handle, 1, ALL)
    for _ in range(2):
        assert any("MAY HAVE BEEN SUPPLIED TWICE" in text for text in look(there.near, PHARMACIST))
    for place, name in ((there.home, PATIENT), (there.home, DOCTOR), (there.far, RIVAL)):
        assert any("URGENT: Ph. Abel supplied Amoxicillin" in text for text in look(place, name))
    reconciling.acknowledge_any(there.near.agent, PHARMACIST, handle, 1)
    assert not any("TWICE" in text for text in look(there.near, PHARMACIST))
    assert kept(there).trouble == "ledger/is-completed"


def test_what_was_stopped_meanwhile_is_told_as_such(there: Town) -> None:
    handle = there.issue()
    code = there.code(handle)
    corresponding.stop(there.home.agent, DOCTOR, handle)
    supply(there, code)
    assert any("SUPPLIED, AND NOT TO BE" in text for text in look(there.near, PHARMACIST))
    assert kept(there).trouble == "ledger/is-stopped"
    assert there.statuses(handle) == ["stopped"]


def test_a_code_that_was_replaced_is_told_as_such(there: Town) -> None:
    handle = there.issue()
    code = there.code(handle)
    prescribed.rotate(there.home.agent, PATIENT, handle, 1)
    supply(there, code)
    resume(there.near.agent)
    assert kept(there).trouble == "agent/code-replaced"
    assert there.statuses(handle) == ["ready"]
    assert any("URGENT" in text for text in look(there.home, DOCTOR))


def test_whoever_cannot_be_written_to_is_counted(there: Town) -> None:
    handle = there.issue()
    there.open(handle)
    there.near.agent.store.drop(contacts_shape(), b"", person_id(people.own_card(there.far.agent, RIVAL).card.key))
    supply(there, there.code(handle))
    dispensing.accept(there.far.agent, RIVAL, handle, 1)
    assert any("1 COULD NOT BE" in text for text in look(there.near, PHARMACIST))


def contacts_shape() -> Any:
    """The shape under which contacts are kept."""
    return inbox.Contact


def test_with_a_network_it_is_refused(there: Town) -> None:
    code = there.code(there.issue())
    with pytest.raises(AgentRefused, match="not-an-outage"):
        outage.supply_code(there.near.agent, PHARMACIST, code, ALL)


def test_a_network_that_shows_nothing_new_is_an_outage(there: Town) -> None:
    agent = there.near.agent
    header = agent.network.header(None)

    class Old:
        def header(self, *_: object, **__: object) -> Any:
            return header

    assert not outage.stands_still(agent)
    with cut_off(there.near):
        assert outage.stands_still(agent)
    network, agent.network = agent.network, Old()  # type: ignore[assignment]
    header = network.header(None)
    there.home.clock.now += agent.genesis.parameters.max_staleness + 1
    assert not outage.stands_still(agent)  # that may be the clock
    there.home.clock.now += 10 * 60_000
    assert outage.stands_still(agent)


def test_a_prescriber_whom_the_pharmacy_has_not_seen_proven_is_unknown(tmp_path: Path) -> None:
    with town(tmp_path) as there:
        handle = there.issue()
        code = there.code(handle)
        assert refused(there, code) == "agent/prescriber-unknown"
        dispensing.open_code(there.near.agent, PHARMACIST, code)
        there.home.clock.now += 30 * DAY + 1
        assert refused(there, code) == "agent/prescriber-unknown"


def test_a_prescriber_who_was_suspended_when_seen_last_is_refused(there: Town) -> None:
    handle = there.issue()
    code = there.code(handle)
    licensing.set_licence(there.home.agent, DOCTOR, LicenceStatus.SUSPENDED)
    dispensing.open_code(there.near.agent, PHARMACIST, code)
    assert refused(there, code) == "agent/not-prescriber"


def test_without_a_node_an_altered_content_window_or_fill_is_refused(there: Town) -> None:
    code = there.code(there.issue())
    dearer = msgspec.structs.replace(code.content, request=code.content.request.replace(b"250 mg", b"500 mg"))
    assert refused(there, msgspec.structs.replace(code, content=dearer)) == "agent/prescription-altered"
    longer = msgspec.structs.replace(code.slip, closes=code.slip.closes + 1)
    assert refused(there, msgspec.structs.replace(code, slip=longer)) == "agent/prescription-altered"
    assert refused(there, msgspec.structs.replace(code, fill=1)) == "agent/prescription-altered"


def test_a_controlled_substance_is_not_supplied_without_the_ledger(there: Town) -> None:
    code = there.code(there.issue(Terms(controlled=True)))
    assert refused(there, code) == "agent/not-offline"


def test_the_window_holds_without_a_node(there: Town) -> None:
    handle = there.issue(Terms(parts=2, lasting=10 * DAY))
    assert refused(there, there.code(handle, 2)) == "ledger/not-open-yet"
    code = there.code(handle, 1)
    there.home.clock.now += 10 * DAY
    assert refused(there, code) == "ledger/is-expired"


def test_another_product_is_refused_without_a_node_too(there: Town) -> None:
    code = there.code(there.issue(Terms(substitution=False)))
    assert refused(there, code, Supply(product="Another")) == "agent/no-substitution"


def test_the_same_fill_is_not_supplied_twice_here(there: Town) -> None:
    code = there.code(there.issue())
    supply(there, code)
    assert refused(there, code) == "agent/supplied-before"
    handle = there.issue(drug="Ibuprofen 400 mg")
    before = there.code(handle)
    there.open(handle)
    there.accept(handle)
    there.dispense(handle)
    assert refused(there, before) == "agent/supplied-before"


def test_what_this_pharmacy_had_accepted_before_the_outage_is_supplied_and_dispensed(there: Town) -> None:
    handle = there.taken()
    with cut_off(there.near):
        outage.supply_kept(there.near.agent, PHARMACIST, handle, 1, Supply(share=500))
    resume(there.near.agent)
    assert kept(there).settled
    assert prescribed.show(there.home.agent, PATIENT, handle).fills[0].dispensed == 500


class Losing:
    """Does what it is asked, and loses every answer after so many."""

    def __init__(self, network: Any, answers: int) -> None:
        self.network, self.answers = network, answers

    def __getattr__(self, name: str) -> Any:
        def ask(*given: Any, **more: Any) -> Any:
            answer = getattr(self.network, name)(*given, **more)
            self.answers -= 1
            if self.answers < 0:
                raise AgentRefused("node-unreachable", "the node does not answer")
            return answer

        return ask


def test_a_reconciliation_that_is_cut_off_anywhere_goes_on_and_doubles_nothing(there: Town) -> None:
    agent, lost = there.near.agent, 0
    network, cut = agent.network, True
    while cut:
        handle = there.issue(Terms(override="benefit-outweighs-risk"))
        supply(there, there.code(handle))
        agent.network = losing = Losing(network, lost)  # type: ignore[assignment]
        with suppress(AgentRefused):
            reconciling.resume_outage(agent)
        agent.network, cut, lost = network, losing.answers < 0, lost + 3
        resume(agent)
        assert there.statuses(handle) == ["completed"]
    supplies = [one for _, one in agent.store.all(OutageSupply, agent.wallet(PHARMACIST).person)]
    assert all(one.settled and not one.trouble for one in supplies)
    look(there.home, PATIENT)
    assert len(there.home.agent.store.all(prescribed.Dispensing, there.home.agent.wallet(PATIENT).person)) == len(supplies)


def test_a_statement_of_another_or_about_another_fill_is_not_believed(there: Town) -> None:
    handle = there.issue()
    code = there.code(handle)
    supply(there, code)
    signed, agent = kept(there).signed, there.home.agent
    own, stranger = there.near.agent.wallet(PHARMACIST), SigningKey(new_seed())
    bearer = SigningKey(code.bearer)
    person = own.person
    reconciling.require_supplied(agent, signed, person)
    later = msgspec.structs.replace(signed.statement, share=1)
    forged = (
        msgspec.structs.replace(signed, statement=later),
        sign_statement(signed.statement, code.slip, stranger, bearer),
        sign_statement(signed.statement, code.slip, own.identity.classic, stranger),
        msgspec.structs.replace(signed, slip=bytes(64)),
        sign_statement(msgspec.structs.replace(signed.statement, fill=1), code.slip, own.identity.classic, bearer),
        sign_statement(msgspec.structs.replace(signed.statement, network=bytes(32)), code.slip, own.identity.classic, bearer),
        sign_statement(
            msgspec.structs.replace(signed.statement, licence=code.content.licence), code.slip, own.identity.classic, bearer
        ),
        sign_statement(msgspec.structs.replace(signed.statement, at=1), code.slip, own.identity.classic, bearer),
    )
    for one in forged:
        with pytest.raises(SalusError, match="wrong-sender"):
            reconciling.require_supplied(agent, one, person)
    with pytest.raises(SalusError, match="wrong-sender"):
        reconciling.require_supplied(agent, signed, bytes(32))


def test_a_statement_is_read_by_whom_it_concerns_alone(there: Town) -> None:
    supply(there, there.code(there.issue()))
    agent = there.far.agent
    sender = people.own_card(there.near.agent, PHARMACIST)
    body = encode(kept(there).signed)
    letter = Letter(agent.network_id, LetterKind.OUTAGE.value, agent.wallet(RIVAL).person, sender, 0, body)
    with pytest.raises(SalusError, match="wrong-sender"):
        reconciling.take_statement(agent, agent.wallet(RIVAL), letter)


def test_a_patient_takes_in_no_prescription_without_its_slips(there: Town) -> None:
    handle = there.issue()
    agent = there.home.agent
    own = prescribed.find_own(agent, PATIENT, handle)[2].letter
    wallet = agent.wallet(PATIENT)
    sender = people.own_card(agent, DOCTOR)
    for slips in ((bytes(64),), own.slips * 2):
        body = encode(msgspec.structs.replace(own, slips=slips))
        letter = Letter(agent.network_id, LetterKind.PRESCRIPTION.value, wallet.person, sender, 0, body)
        with pytest.raises(SalusError, match="wrong-sender"):
            prescribed.take_in(agent, wallet, letter)


def test_a_hand_over_that_was_begun_before_the_outage_is_not_supplied_again(there: Town) -> None:
    """RX-37: it may be on the ledger, and the first command that reaches a node completes it."""
    handle = there.issue()
    there.open(handle)
    agent = there.near.agent
    dispensing.accept(agent, PHARMACIST, handle, None)
    true = agent.network

    class Lost(Unreachable):
        def __getattr__(self, name: str) -> Any:
            return super().__getattr__(name) if name == "submit" else getattr(true, name)

    agent.network = Lost()  # type: ignore[assignment]
    with pytest.raises(SalusError):
        dispensing.dispense(agent, PHARMACIST, handle, None, ALL)
    agent.network = true
    assert refused(there, there.code(handle)) == "agent/supplied-before"
    resume(agent)
    assert there.statuses(handle) == ["completed"]
