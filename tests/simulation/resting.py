"""What must hold at rest: whatever was begun is complete, everybody sees what is theirs, and every node has all of it."""

from __future__ import annotations

from salus.agent.given import Ending, GivenGrant
from salus.agent.services import charting, receipting
from salus.agent.services.erasing import ErasureJob
from salus.agent.services.received import received_grants
from salus.agent.services.renewing import GrantJob
from salus.agent.services.rotating import RotationJob
from salus.agent.services.sealing import Job
from salus.agent.services.submitting import Outgoing
from salus.agent.services.writing import NoteJob
from salus.charts.fold import fold
from salus.charts.sections import SectionKind
from salus.errors import SalusError
from salus.ledger.modules.licences.messages import LicenceStatus
from simulation.invariants import VAULT, Checks
from simulation.ledger_model import Broken
from simulation.world import OWNERS, READERS

UNDER_WAY = (Outgoing, Job, NoteJob, ErasureJob, RotationJob, GrantJob)  # what is kept of what was begun, until it is done


class Resting:
    """Looks at a run that has come to rest, through its ``checks``."""

    def __init__(self, checks: Checks) -> None:
        self.checks, self.world = checks, checks.world
        self.ledger, self.reading, self.wallets = checks.ledger, checks.reading, checks.wallets

    def look(self) -> None:
        """Everything once more, now that nothing is under way."""
        self.checks.every_blob()
        self._require_replicas()
        self.checks.every_receipt()
        for person in self.wallets:
            self.checks.require_currency(person)
        for home, person in OWNERS.items():
            if all(removal.home != home for removal in self.reading.removals):
                self._require_own(home, person)
                self._require_done(home)
        for home, person in READERS.items():
            self._require_granted(home, person)
        self.world.host.node.engine.verify_chain()

    def _require_replicas(self) -> None:
        """Every node has come to the newest block, and its vault has every blob whole, and nothing of what was erased."""
        for host in self.world.hosts.values():
            if self.checks.followed[host.name] != self.ledger.height:
                raise Broken("replica", f"{host.name} stays at block {self.checks.followed[host.name]} of {self.ledger.height}")
            entries = [entry for section in self.ledger.sections.values() for entry in section.entries if not entry.erased]
            packages = [epoch.package for section in self.ledger.sections.values() for epoch in section.epochs]
            if not all(host.node.blobs.has(blob) for blob in (*(entry.blob for entry in entries), *packages)):
                raise Broken("replica", f"the vault of {host.name} has not every blob")
            if any(host.node.blobs.has(blob) for blob in self.ledger.buried):
                raise Broken("erased", f"the vault of {host.name} still has what was erased")

    def _require_done(self, home: str) -> None:
        """Nothing that was begun is still waiting, and no revocation is half of one."""
        agent = self.world.homes[home].agent
        owners = (b"", *(wallet.person for wallet in agent.wallets()))
        left = [kind.__name__ for kind in UNDER_WAY for owner in owners if agent.store.all(kind, owner)]
        given = [given for owner in owners for _, given in agent.store.all(GivenGrant, owner)]
        left += ["revocation" for one in given if one.ending is Ending.ASKED]
        if left:
            raise Broken("rest", f"{home} has begun and not completed: {', '.join(sorted(set(left)))}")

    def _require_own(self, home: str, person: str) -> None:
        """An owner sees all of the own chart, and receipts without trouble."""
        agent = self.world.homes[home].agent
        chart = charting.open_chart(agent, person, person)
        if chart.unread or chart.incomplete_batches:
            raise Broken("rest", f"{home} cannot read all of its own chart: {chart.unread[:1]}")
        shown = {(version.section, version.number, version.version) for version in chart.chart.versions}
        there = {(v.section, v.number, v.version) for v in fold(self.checks.placed(person)).versions}
        if shown != there:
            raise Broken("rest", f"{home} does not see its own chart as it is")
        troubles = [row.trouble for row in receipting.receipts(agent, person) if row.trouble]
        if troubles:
            raise Broken("5", f"{home} finds {troubles[0]} among its receipts, and no vault is dishonest now")

    def _require_granted(self, home: str, person: str) -> None:
        """A reader opens all that live grants cover, by keys, and is shown all of it, no more, and nothing else."""
        now = self.world.time.now + 60_000
        opened = self.reading.opens(home)
        agent = self.world.homes[home].agent
        arrived = {grant.grant for grant, _ in received_grants(agent, agent.wallet(person))}
        wanted: dict[str, set[tuple[SectionKind, int]]] = {}
        for given in self.reading.given.values():
            if given.asked.reader != person or not self.reading.live(given, now):
                continue
            if given.done is None and any(removal.home == given.home for removal in self.reading.removals):
                continue  # its device was taken off before it could tell the others, or the reader
            if given.done is not None and given.grant.grant not in arrived:
                raise Broken("rest", f"{home} was given a grant by {given.home}, and it has not arrived")
            if given.asked.passed_on_by:
                continue
            for section, entry in self.reading.entries():
                owner, kind = self.reading.owners[section]
                if owner != given.asked.patient or not self.reading.must_open(given, section, kind, entry):
                    continue
                if (section, entry.number) not in opened:
                    raise Broken("2", f"{home} has no key to entry {entry.number} of {owner}'s {kind.value}: it was granted")
                wanted.setdefault(owner, set()).add((kind, entry.number))
        for patient in sorted(set(OWNERS.values())):
            self._look_at(home, person, patient, wanted.get(patient, set()))

    def _look_at(self, home: str, person: str, patient: str, wanted: set[tuple[SectionKind, int]]) -> None:
        """A reader opens a chart: all that is ``wanted`` is there, unless the reader's licence does not hold."""
        try:
            chart = charting.open_chart(self.world.homes[home].agent, person, patient)
        except SalusError as error:
            if error.full_code not in VAULT:
                raise Broken("rest", f"{home} cannot open {patient}'s chart: {error.full_code}") from error
            if wanted and self._licensed(person):
                raise Broken("durable", f"{home} has lost what {patient} granted: {error.full_code}") from error
            return
        codes = {code for _, _, code in chart.unread} - set(VAULT)
        if self.reading.passed_on_and_rewritten(person, patient):
            codes.discard("crypto/cannot-open")
        if codes:
            raise Broken("rest", f"{home} is shown {sorted(codes)[0]} in {patient}'s chart")
        self.checks.require_shown(home, patient, chart)
        missing = wanted - {(version.section, version.number) for version in chart.chart.versions}
        if missing and self._licensed(person):
            raise Broken("rest", f"{home} is not shown entry {min(missing)[1]} of {patient}'s {min(missing)[0].value}")

    def _licensed(self, person: str) -> bool:
        """Whether a person's licence holds; the practice needs none."""
        key = self.wallets[person].identity.classic.public
        states = [status for _, holder, status in self.ledger.licences.values() if holder == key]
        return not states or states[-1] is LicenceStatus.ACTIVE
