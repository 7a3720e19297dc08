"""What of the store travels with a person, and what comes of a record that is there already: one table, by record.

A restored home never knows less than it did: no grant that ended goes on, nothing that was seen is unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from salus.agent.asking import KeptPromise
from salus.agent.epoch_pairs import KnownPair, KnownSealKey
from salus.agent.given import Ending, GivenGrant
from salus.agent.known import KnownLicence, KnownPrescriber
from salus.agent.own_appointments import OwnAppointment
from salus.agent.own_prescriptions import OwnPrescription, Unnoted
from salus.agent.own_results import OwnOrder, OwnResult, Unfiled
from salus.agent.own_schedules import OutgoingPage, OwnPage, OwnSchedule
from salus.agent.services.acknowledging import OpenMatter, ReceivedResult, WatchedOrder
from salus.agent.services.contacts import Contact
from salus.agent.services.copying import WaitingCopy
from salus.agent.services.corresponding import OpenQuestion
from salus.agent.services.desk import Booking
from salus.agent.services.dispensing import DispenseJob, OpenedFill
from salus.agent.services.erasing import ErasureJob
from salus.agent.services.inbox import Cursor, TakenLetter
from salus.agent.services.laboratory import CollectedSpecimen, ReceivedOrder
from salus.agent.services.linking import OwnLink, PatientLink
from salus.agent.services.listing import OutgoingListing
from salus.agent.services.manifest import DeviceNote, Seen, ThisDevice
from salus.agent.services.moving import ChosenNodes
from salus.agent.services.ordering import OrderJob, PlacedOrder
from salus.agent.services.outage import OutageSupply
from salus.agent.services.people import OwnCard
from salus.agent.services.posting import OutgoingLetter
from salus.agent.services.preparing import Prepared
from salus.agent.services.prescribed import Dispensing
from salus.agent.services.prescribing import IssuedPrescription, IssueJob
from salus.agent.services.receipting import SeenChain
from salus.agent.services.received import AuthoredEntry, FormerSlot, ReceivedGrant
from salus.agent.services.reception import DeskJob
from salus.agent.services.recovering import RecoveryJob
from salus.agent.services.referring import ShownCard
from salus.agent.services.renewing import GrantJob
from salus.agent.services.reporting import PatientChoice, ReportJob, SentReport, Unreleased
from salus.agent.services.resulted import ReleaseChoice
from salus.agent.services.rotating import RotationJob
from salus.agent.services.sealing import Job
from salus.agent.services.staffing import Staff, StaffLink
from salus.agent.services.submitting import Outgoing
from salus.agent.services.writing import NoteJob
from salus.agent.verify import CaughtNode
from salus.agent.wallet import PrincipalRecord
from salus.codec import Record
from salus.errors import AgentRefused
from salus.ledger.trusting import Trusted


class Scope(Enum):
    """Whose a record is."""

    PERSON = 1  # its owner begins with the person's id: travels with the person
    HOME = 2  # the home's own: travels as far as it concerns the person
    NEVER = 3  # of this home and this moment alone


@dataclass(frozen=True)
class Rule:
    """How one shape travels. ``merge(here, coming)`` is what is kept where the home has a record of that place already."""

    shape: type[Record]
    scope: Scope
    merge: Callable[[Any, Any], Record]


def what_is_here(here: Record, _coming: Record) -> Record:
    """The home's own."""
    return here


def further_ended(here: GivenGrant, coming: GivenGrant) -> GivenGrant:
    """The grant with the further of both ends: a wish to revoke only ever moves forward."""
    order = tuple(Ending)
    return msgspec.structs.replace(here, ending=max(here.ending, coming.ending, key=order.index))


def further_read(here: Cursor, coming: Cursor) -> Cursor:
    """The further of two cursors."""
    return max(here, coming, key=lambda cursor: cursor.cursor)


def longer_seen(here: SeenChain, coming: SeenChain) -> SeenChain:
    """The longer of two chains of receipts: the vault is held to it."""
    return max(here, coming, key=lambda chain: chain.count)


def taken_off(here: DeviceNote, coming: DeviceNote) -> DeviceNote:
    """The device, off when either says so: taken off is taken off for good."""
    return msgspec.structs.replace(here, removed=here.removed or coming.removed)


def later_change(here: Staff, coming: Staff) -> Staff:
    """The employment that changed later: a dismissal is not undone by an older export."""
    return max(here, coming, key=lambda staff: max(staff.since, staff.dismissed))


def later_hours(here: OwnSchedule, coming: OwnSchedule) -> OwnSchedule:
    """The hours that were published later."""
    return max(here, coming, key=lambda own: own.changed)


def further_brought(here: OutageSupply, coming: OutageSupply) -> OutageSupply:
    """The supply of which more is known: what is on the ledger is not brought there again."""
    return max(here, coming, key=lambda one: (one.settled, bool(one.trouble), one.sent))


def with_history(here: KnownPair, coming: KnownPair) -> KnownPair:
    """The pair that opens more."""
    return here if any(here.history) else coming


def newer_card(here: Contact, coming: Contact) -> Contact:
    """The card that was issued later."""
    return max(here, coming, key=lambda contact: contact.card.card.issued)


def higher_pin(here: Trusted, coming: Trusted) -> Trusted:
    """The higher of two headers: the home never accepts an older ledger than it, or the exporter, has seen."""
    if here.height == coming.height and here.hash != coming.hash:
        raise AgentRefused("forked-node", "the export was made on another ledger than this home has seen")
    return max(here, coming, key=lambda pin: pin.height)


TABLE = (
    Rule(PrincipalRecord, Scope.HOME, what_is_here),
    Rule(Contact, Scope.HOME, newer_card),
    Rule(KnownLicence, Scope.HOME, what_is_here),
    Rule(Trusted, Scope.HOME, higher_pin),
    Rule(Job, Scope.HOME, what_is_here),  # of jobs: what the ledger has is not done again
    Rule(RotationJob, Scope.HOME, what_is_here),
    Rule(ErasureJob, Scope.HOME, what_is_here),
    Rule(GrantJob, Scope.HOME, what_is_here),
    Rule(GivenGrant, Scope.PERSON, further_ended),
    Rule(ReceivedGrant, Scope.PERSON, what_is_here),
    Rule(FormerSlot, Scope.PERSON, what_is_here),
    Rule(AuthoredEntry, Scope.PERSON, what_is_here),
    Rule(NoteJob, Scope.PERSON, what_is_here),
    Rule(WaitingCopy, Scope.PERSON, what_is_here),
    Rule(KeptPromise, Scope.PERSON, what_is_here),
    Rule(SeenChain, Scope.PERSON, longer_seen),
    Rule(Cursor, Scope.PERSON, further_read),
    Rule(TakenLetter, Scope.PERSON, what_is_here),
    Rule(KnownPair, Scope.PERSON, with_history),
    Rule(ThisDevice, Scope.PERSON, what_is_here),  # with the wallet's reading secret and what was read of the manifest
    Rule(Seen, Scope.PERSON, what_is_here),
    Rule(DeviceNote, Scope.PERSON, taken_off),
    Rule(Staff, Scope.PERSON, later_change),
    Rule(StaffLink, Scope.PERSON, what_is_here),
    Rule(IssueJob, Scope.PERSON, what_is_here),
    Rule(IssuedPrescription, Scope.PERSON, what_is_here),
    Rule(OwnPrescription, Scope.PERSON, what_is_here),  # whether it was taken over, the ledger says
    Rule(Unnoted, Scope.PERSON, what_is_here),
    Rule(Dispensing, Scope.PERSON, what_is_here),
    Rule(OpenedFill, Scope.PERSON, what_is_here),
    Rule(DispenseJob, Scope.PERSON, what_is_here),
    Rule(OutageSupply, Scope.PERSON, further_brought),
    Rule(OpenQuestion, Scope.PERSON, what_is_here),
    Rule(OwnSchedule, Scope.PERSON, later_hours),
    Rule(OwnPage, Scope.PERSON, what_is_here),
    Rule(OwnAppointment, Scope.PERSON, what_is_here),  # what has become of it, the ledger says
    Rule(Booking, Scope.PERSON, what_is_here),
    Rule(DeskJob, Scope.PERSON, what_is_here),
    Rule(PatientLink, Scope.PERSON, what_is_here),
    Rule(OwnLink, Scope.PERSON, what_is_here),
    Rule(OrderJob, Scope.PERSON, what_is_here),
    Rule(PlacedOrder, Scope.PERSON, what_is_here),
    Rule(WatchedOrder, Scope.PERSON, what_is_here),
    Rule(ReceivedResult, Scope.PERSON, what_is_here),
    Rule(OpenMatter, Scope.PERSON, what_is_here),
    Rule(Unreleased, Scope.PERSON, what_is_here),
    Rule(Unfiled, Scope.PERSON, what_is_here),
    Rule(ReceivedOrder, Scope.PERSON, what_is_here),
    Rule(CollectedSpecimen, Scope.PERSON, what_is_here),
    Rule(PatientChoice, Scope.PERSON, what_is_here),
    Rule(ReportJob, Scope.PERSON, what_is_here),
    Rule(SentReport, Scope.PERSON, what_is_here),
    Rule(OwnOrder, Scope.PERSON, what_is_here),
    Rule(OwnResult, Scope.PERSON, what_is_here),
    Rule(ReleaseChoice, Scope.PERSON, what_is_here),
    Rule(OwnCard, Scope.NEVER, what_is_here),  # names the members that keep the mailbox: made anew where it is restored
    Rule(ShownCard, Scope.NEVER, what_is_here),  # of the own card
    Rule(CaughtNode, Scope.NEVER, what_is_here),  # of the nodes that this home uses
    Rule(KnownPrescriber, Scope.NEVER, what_is_here),  # others', seen again with the next code that is opened
    Rule(KnownSealKey, Scope.NEVER, what_is_here),  # a patient's section's, asked for again when it is needed
    Rule(ChosenNodes, Scope.NEVER, what_is_here),  # of the nodes that this home uses
    Rule(Prepared, Scope.NEVER, what_is_here),  # holds a cold seed, until the member's network is there
    Rule(RecoveryJob, Scope.NEVER, what_is_here),  # holds a cold seed; completed before anything is exported
    Rule(Outgoing, Scope.NEVER, what_is_here),  # expires in minutes; what it was for is signed anew
    Rule(OutgoingPage, Scope.NEVER, what_is_here),  # public, and sent before anything is exported
    Rule(OutgoingListing, Scope.NEVER, what_is_here),  # public, and sent before anything is exported
    Rule(OutgoingLetter, Scope.NEVER, what_is_here),  # sealed: nobody can tell whose it is; sent by the home that wrote it
)
NAMED: tuple[type[Job | RotationJob | ErasureJob | GrantJob], ...] = (
    Job,
    RotationJob,
    ErasureJob,
    GrantJob,
)  # work that knows the person by the home's name
RULES = {str(rule.shape.__struct_config__.tag): rule for rule in TABLE}
