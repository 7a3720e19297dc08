"""Races: many take one thing at once, through all members of a network, one of which is a thief; one has it, and all say who.

Everybody signs a claim of its own before the start, and sends it to whichever member comes next. The thief is handed every fourth
claim: it sends it on twice, under its own sponsorship with the signatures that it has seen, and as a copy that names itself in
the winner's place. What the members' ledgers hold is read from each by itself in the end.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from localnet_world import MEMBERS, Members, until
from salus.bootstrap import open_home
from salus.codec import decode, encode
from salus.crypto.hashing import tagged
from salus.crypto.keys import fresh_nonce
from salus.crypto.signing import SigningKey
from salus.errors import SalusError
from salus.exchange.api import Submission
from salus.home_folder import clock
from salus.ledger.genesis import LicenceRight, network_id
from salus.ledger.modules.licences.messages import IssueLicence
from salus.ledger.modules.prescriptions.messages import AcceptFill, IssuePrescription, NewFill
from salus.ledger.modules.prescriptions.state import DAY, Fill, fill_key, prescription_id
from salus.ledger.modules.scheduling.messages import HoldSlots, Kind, OpenSchedule, PublishSlots, Slot
from salus.ledger.modules.scheduling.state import Seats, appointment_id, page_root, period_key, schedule_id, seats_key, shown
from salus.ledger.tx import SIGNATURE_TAG, Action, Body, Signature, Transaction, body_hash, licence_id
from salus.ledger.verifying import require_answer

SIDE_BY_SIDE = 24  # claims under way at once
THIEF = MEMBERS - 1
STOLEN: dict[type, str] = {AcceptFill: "holder", HoldSlots: "patient"}  # where a thief puts a key of its own


def key(name: str) -> SigningKey:
    """A key by its name."""
    return SigningKey(tagged("race/key", name.encode()))


@dataclass(frozen=True)
class Claim:
    """A claim that is signed, at which member it is handed in, and the key that has the thing where it wins."""

    at: int
    data: bytes
    body: bytes
    winner: bytes


@dataclass
class Outcome:
    """How a race ended: what each claim was told, what was stolen, and whom each member's ledger names."""

    told: Counter[str] = field(default_factory=Counter)  # refusals by code; "" where it was applied
    stolen: Counter[str] = field(default_factory=Counter)  # what the thief's copies were told
    applied: list[bytes] = field(default_factory=list)  # the winner's keys of the claims that were applied
    holders: list[bytes] = field(default_factory=list)  # of each member
    seconds: float = 0.0

    @property
    def fair(self) -> bool:
        """One claim was applied, no copy was, and every member's ledger names the one who made it."""
        return len(self.applied) == 1 and not self.stolen[""] and self.holders == self.applied * MEMBERS


class Course:
    """Where races are run: four members, a doctor and a pharmacist whom one of them has licensed."""

    def __init__(self, world: Members) -> None:
        self.world, self._numbers = world, itertools.count()
        self.network = network_id(world.genesis)
        with open_home(world.home(0), lambda: "") as agent:
            authority = agent.wallets()[0].authority
        self.doctor = self._licensed(authority, "doctor", LicenceRight.PRESCRIBE)
        self.pharmacist = self._licensed(authority, "pharmacist", LicenceRight.DISPENSE)

    def _licensed(self, authority: SigningKey, name: str, right: LicenceRight) -> bytes:
        holder = key(name).public
        issue = IssueLicence(self.world.member(0), tagged("race/person", holder), holder, bytes(32), (right,), 0)
        body = self.done(issue, [authority])
        return licence_id(body, 0)

    def signed(self, at: int, action: Action, keys: Sequence[SigningKey]) -> tuple[bytes, bytes]:
        """A transaction for that member to sponsor, and its body's hash."""
        body = Body(self.network, clock() + 600_000, fresh_nonce(), self.world.member(at), (action,))
        identity = body_hash(body)
        signatures = sorted((Signature(one.public, one.sign(SIGNATURE_TAG, identity)) for one in keys), key=lambda one: one.key)
        return encode(Transaction(body, tuple(signatures))), identity

    def done(self, action: Action, keys: Sequence[SigningKey]) -> bytes:
        """An action that must be applied; its body's hash."""
        data, identity = self.signed(0, action, keys)
        assert self.told(0, data, identity) == ""
        return identity

    def told(self, at: int, data: bytes, identity: bytes) -> str:
        """What became of a transaction that was handed in at that member; asked again while nobody has decided."""
        deadline = time.monotonic() + 120
        while True:
            try:
                with self.world.client(at) as node:
                    status = node.submit(Submission(data, ()))
                    if status.height:
                        return status.refusal
                    return node.result(identity).refusal
            except SalusError as error:
                if error.full_code != "agent/undecided" or time.monotonic() > deadline:
                    return error.full_code

    def run(self, claims: Sequence[Claim], wanted: bytes, where: bytes, holder: Callable[[bytes], bytes]) -> Outcome:
        """All claims at once, on what the leaf ``wanted`` says; ``holder`` reads from the leaf ``where`` who has it."""
        until(lambda: all(self._leaves(wanted)))  # whoever has not seen it yet would say that there is nothing to be had
        outcome, began = Outcome(), time.monotonic()

        def claim(one: Claim) -> tuple[Claim, str, list[str]]:
            stolen = [self.told(at, data, identity) for at, data, identity in self._stolen(one)] if one.at == THIEF else []
            return one, self.told(one.at, one.data, one.body), stolen

        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for one, refusal, stolen in pool.map(claim, claims):
                outcome.told[refusal] += 1
                outcome.stolen.update(stolen)
                outcome.applied += [one.winner] if not refusal else []
        outcome.seconds = time.monotonic() - began
        until(lambda: all(leaf and outcome.applied == [holder(leaf)] for leaf in self._leaves(where)))
        outcome.holders = [holder(leaf) if leaf else b"" for leaf in self._leaves(where)]
        return outcome

    def _stolen(self, claim: Claim) -> list[tuple[int, bytes, bytes]]:
        """What a member makes of a claim that it is handed: another's sponsorship, and itself in the winner's place."""
        seen = decode(claim.data, Transaction, limit=1 << 20)
        (action,) = seen.body.actions
        own = replace(action, **{STOLEN[type(action)]: key("thief").public})
        bodies = [replace(seen.body, sponsor=self.world.member(0)), replace(seen.body, actions=(own,))]
        return [(at, encode(replace(seen, body=body)), body_hash(body)) for at, body in zip((0, THIEF), bodies, strict=True)]

    def _leaves(self, where: bytes) -> list[bytes]:
        """The leaf as each member proves it; empty where there is none."""
        found = []
        for at in range(MEMBERS):
            with self.world.client(at) as node:
                (answer,) = node.states([where])
                found.append(require_answer(self.world.genesis, answer) or b"")
        return found

    def prescription(self, count: int) -> Outcome:
        """So many pharmacies accept one fill."""
        number = str(next(self._numbers))
        control, bearer = key(f"control {number}"), key(f"bearer {number}")
        fill = NewFill(bearer.public, 0, clock() + 90 * DAY)
        self.done(IssuePrescription(self.doctor, control.public, bytes(32), False, 0, (fill,)), [key("doctor")])
        handle = prescription_id(self.network, control.public)
        claims = list[Claim]()
        for each in range(count):
            holder = key(f"holder {number} {each}").public
            accept = AcceptFill(handle, 0, self.pharmacist, holder, clock() + 7 * DAY)
            claims.append(Claim(each % MEMBERS, *self.signed(each % MEMBERS, accept, [bearer, key("pharmacist")]), holder))
        return self.run(claims, fill_key(handle, 0), fill_key(handle, 0), lambda leaf: decode(leaf, Fill, limit=4096).holder)

    def slot(self, count: int) -> Outcome:
        """So many patients hold the last seat of one slot."""
        number = str(next(self._numbers))
        desk, start = key(f"desk {number}"), clock() + DAY
        self.done(OpenSchedule(self.doctor, desk.public, 0, 30 * DAY, 3_600_000), [key("doctor")])
        schedule, page = schedule_id(self.network, desk.public), [Slot(start, start + 900_000, 1, Kind.VISIT)]
        self.done(PublishSlots(schedule, start, start + DAY, page_root(page), 1), [desk])
        wanted = (shown(schedule, start, page, 0),)
        claims = list[Claim]()
        for each in range(count):
            patient = key(f"patient {number} {each}")
            signed = self.signed(each % MEMBERS, HoldSlots(patient.public, wanted), [patient])
            claims.append(Claim(each % MEMBERS, *signed, appointment_id(self.network, patient.public)))

        def seated(leaf: bytes) -> bytes:
            return b"".join(seat.appointment for seat in decode(leaf, Seats, limit=65_536).taken)

        return self.run(claims, period_key(schedule, start), seats_key(schedule, start), seated)


def main() -> int:
    """``races.py N...``: a race of each kind for each N."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("counts", type=int, nargs="+")
    counts = parser.parse_args().counts
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        world = Members(Path(folder))
        try:
            world.start()
            course, fair = Course(world), True
            for count in counts:
                for what, race in (("prescription", course.prescription), ("slot", course.slot)):
                    outcome = race(count)
                    fair &= outcome.fair
                    told = f"{outcome.seconds:.1f} s, {dict(outcome.told)}, stolen {dict(outcome.stolen)}"
                    won = "one winner everywhere" if outcome.fair else "NOT FAIR"
                    print(f"{what}, {count} at once: {told}, {won}", flush=True)
        finally:
            world.net.stop()
    return 0 if fair else 1


if __name__ == "__main__":
    sys.exit(main())
