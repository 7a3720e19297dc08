"""Prescriptions on a ledger in memory: named people, calls for what each does, and a small model of what must come of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from ledger_world import START, STEP, Ledger, licence_for, public, some
from salus.ids import Millis
from salus.ledger.genesis import Genesis, GenesisMember, LicenceRight, Parameters
from salus.ledger.modules.licences.messages import LicenceStatus, SetLicenceStatus
from salus.ledger.modules.prescriptions.messages import (
    AcceptFill,
    AcknowledgeStop,
    CancelPrescription,
    CloseFill,
    DeletePrescription,
    DispenseFill,
    FreeFill,
    Identified,
    IssuePrescription,
    NewFill,
    Reason,
    Rest,
    ReturnFill,
    RotateFill,
    StopPrescription,
    TakePrescription,
    UndoFill,
)
from salus.ledger.modules.prescriptions.queries import fill, fills
from salus.ledger.modules.prescriptions.state import DAY, Fill, prescription_id
from salus.ledger.tx import licence_id

DOCTOR, PHARMACIST, COLLEAGUE = "doctor", "pharmacist", "colleague"


def founding() -> Genesis:
    """A clinic that may license everything, and one beside it."""
    members = [
        GenesisMember(public(f"{name} authority"), public(f"{name} node"), tuple(LicenceRight)) for name in ("clinic", "lab")
    ]
    return Genesis(bytes(16), Millis(START), tuple(members), Parameters(quota=10_000_000))


@dataclass
class Prescribing(Ledger):
    """A doctor, two pharmacists; prescriptions by name. Each call returns the refusal, "" when it was applied."""

    genesis: Genesis = field(default_factory=founding)
    licences: dict[str, bytes] = field(default_factory=dict)
    bearers: dict[tuple[str, int], str] = field(default_factory=dict)
    controls: dict[str, str] = field(default_factory=dict)
    holders: dict[tuple[str, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, rights in (
            (DOCTOR, (LicenceRight.PRESCRIBE, LicenceRight.PRESCRIBE_CONTROLLED)),
            (PHARMACIST, (LicenceRight.DISPENSE,)),
            (COLLEAGUE, (LicenceRight.DISPENSE,)),
        ):
            body = self.done(licence_for(name, *rights), by=["clinic authority"])
            self.licences[name] = licence_id(body, 0)

    def suspend(self, name: str) -> None:
        """The licence is suspended."""
        self.done(SetLicenceStatus(self.licences[name], LicenceStatus.SUSPENDED), by=["clinic authority"])

    def id(self, name: str) -> bytes:
        """The handle of the prescription of that name."""
        return prescription_id(self.network, public(f"control {name}"))

    def issue(
        self,
        name: str,
        count: int = 1,
        *,
        by: str = DOCTOR,
        opens: int = 0,
        days: int = 90,
        controlled: bool = False,
        interval: int = 0,
    ) -> str:
        """A prescription of so many fills, each open from now (or ``opens``) for so many days."""
        windows = [NewFill(public(f"bearer {name} {number}"), opens, self.time + days * DAY) for number in range(count)]
        message = IssuePrescription(
            self.licences[by], public(f"control {name}"), some(f"content {name}"), controlled, interval, tuple(windows)
        )
        refusal = self.do(message, by=[by])
        if not refusal:
            self.controls[name] = f"control {name}"
            self.bearers |= {(name, number): f"bearer {name} {number}" for number in range(count)}
        return refusal

    def accept(self, name: str, number: int = 0, *, by: str = PHARMACIST, at: str = "", days: float = 3, bearer: str = "") -> str:
        """The pharmacy ``at`` (the pharmacist's own, if not said) takes the fill."""
        holder = f"holder {at or by}"
        until = self.time + STEP + int(days * DAY)
        message = AcceptFill(self.id(name), number, self.licences[by], public(holder), until)
        refusal = self.do(message, by=[bearer or self.bearers.get((name, number), "nobody"), by])
        if not refusal:
            self.holders[name, number] = holder
        return refusal

    def held(self, message: Any, *more: str, by: str = "") -> str:
        """Something that the pharmacy does which has the fill, or had it last."""
        name = next(name for name in self.controls if self.id(name) == message.prescription)
        return self.do(message, by=[by or self.holders.get((name, message.fill), "nobody"), *more])

    def dispense(
        self,
        name: str,
        number: int = 0,
        share: int = 1_000,
        rest: Rest = Rest.KEEP,
        *,
        by: str = PHARMACIST,
        identified: Identified = Identified.NOT,
    ) -> str:
        """Hand over that much."""
        return self.held(DispenseFill(self.id(name), number, self.licences[by], share, rest, identified), by)

    def undo(self, name: str, number: int = 0) -> str:
        """It was never collected."""
        return self.held(UndoFill(self.id(name), number))

    def close(self, name: str, number: int = 0) -> str:
        """It was collected."""
        return self.held(CloseFill(self.id(name), number))

    def give_back(self, name: str, number: int = 0) -> str:
        """Hand it back."""
        return self.held(ReturnFill(self.id(name), number, Reason.OUT_OF_STOCK))

    def acknowledge(self, name: str, number: int = 0) -> str:
        """That it was stopped is seen."""
        return self.held(AcknowledgeStop(self.id(name), number))

    def free(self, name: str, number: int = 0, by: str = DOCTOR) -> str:
        """The prescriber frees it."""
        return self.do(FreeFill(self.id(name), number), by=[by])

    def cancel(self, name: str, by: str = DOCTOR) -> str:
        """The prescriber takes it back."""
        return self.do(CancelPrescription(self.id(name)), by=[by])

    def stop(self, name: str, by: str = DOCTOR) -> str:
        """The prescriber stops it."""
        return self.do(StopPrescription(self.id(name)), by=[by])

    def delete(self, name: str) -> str:
        """The patient gives it up."""
        return self.do(DeletePrescription(self.id(name)), by=[self.controls[name]])

    def rotate(self, name: str, number: int = 0) -> str:
        """The patient replaces the code."""
        bearer = f"{self.bearers[name, number]} anew"
        refusal = self.do(RotateFill(self.id(name), number, public(bearer)), by=[self.controls[name]])
        if not refusal:
            self.bearers[name, number] = bearer
        return refusal

    def take(self, name: str) -> str:
        """The patient's own key takes the place of the one that came with it."""
        control = f"own {name}"
        refusal = self.do(TakePrescription(self.id(name), public(control)), by=[self.controls[name]])
        if not refusal:
            self.controls[name] = control
        return refusal

    def fill(self, name: str, number: int = 0) -> Fill:
        """As it stands."""
        return fill(self.store, self.id(name), number)

    def status(self, name: str, number: int = 0) -> str:
        """Its status."""
        return self.fill(name, number).status.value

    def statuses(self, name: str) -> list[str]:
        """Of all its fills."""
        return [one.status.value for one in fills(self.store, self.id(name))]

    def pass_time(self, days: float) -> None:
        """A block after so many days."""
        self.block(at=self.time + int(days * DAY))


# --- the model: no tables, no keys, no deadlines; what a person would write down


@dataclass
class Package:
    """A fill as a person would keep it."""

    closes: int
    place: str = "shelf"  # shelf, pharmacy, gone; or ended by: stop, cancel, time
    asked_back: bool = False  # it was stopped while a pharmacy has it
    given: int = 0
    last: int = 0
    when: int = 0
    until: int = 0
    holder: str = ""

    def word(self) -> str:
        """What the ledger calls it."""
        if self.place == "pharmacy":
            return "on-hold" if self.asked_back else "accepted"
        return {"shelf": "ready", "gone": "completed", "stop": "stopped", "cancel": "cancelled", "time": "expired"}[self.place]


class Model:
    """One prescription of uncontrolled packages."""

    def __init__(self, count: int, closes: int, interval: int) -> None:
        self.packages = [Package(closes) for _ in range(count)]
        self.interval, self.stopped = interval, False

    def look(self, now: int) -> None:
        """What time has done."""
        for one in self.packages:
            if one.place == "pharmacy" and not one.asked_back and now >= one.until:
                self._back(one, now)
            if one.place == "shelf" and now >= one.closes:
                one.place = "time"

    def accept(self, number: int, now: int, until: int, holder: str) -> bool:
        """Whether it is given to the pharmacy."""
        others = [one for other, one in enumerate(self.packages) if other != number]
        if self.packages[number].place != "shelf" or any(one.given and now < one.when + self.interval for one in others):
            return False
        one = self.packages[number]
        one.place, one.until, one.holder, one.last = "pharmacy", until, holder, 0
        return True

    def dispense(self, number: int, now: int, share: int, rest: Rest) -> bool:
        """Whether so much is handed over."""
        one = self.packages[number]
        if one.word() != "accepted" or one.given + share > 1_000:
            return False
        one.given, one.last, one.when = one.given + share, share, now
        if one.given == 1_000 or rest is Rest.CLOSE:
            one.place = "gone"
        elif rest is Rest.FREE:
            one.place, one.holder, one.last = ("shelf" if now < one.closes else "time"), "", 0
        return True

    def undo(self, number: int, now: int) -> bool:
        """Whether it comes back from the patient's bag."""
        one = self.packages[number]
        if one.word() not in ("accepted", "completed") or not one.last or now > one.when + 30 * DAY:
            return False
        was_gone = one.place == "gone"
        one.given, one.last, one.until = one.given - one.last, 0, max(one.until, now + 3 * DAY)
        one.place = "stop" if was_gone and self.stopped else "pharmacy"
        return True

    def close(self, number: int) -> bool:
        """Whether it could still have come back from the patient's bag."""
        one = self.packages[number]
        if one.place != "gone" or not one.last:
            return False
        one.last = 0
        return True

    def give_back(self, number: int, now: int) -> bool:
        """Whether the pharmacy has it to give back."""
        one = self.packages[number]
        if one.place != "pharmacy":
            return False
        self._back(one, now)
        return True

    def acknowledge(self, number: int) -> bool:
        """Whether there was something to be seen."""
        one = self.packages[number]
        if one.word() != "on-hold":
            return False
        one.place = "stop"
        return True

    def stop(self) -> bool:
        """Whether anything is left to be stopped."""
        words = {one.word() for one in self.packages}
        if self.stopped or not words & {"ready", "accepted", "completed"}:
            return False
        self.stopped = True
        for one in self.packages:
            one.asked_back = one.place == "pharmacy"
            one.place = "stop" if one.place == "shelf" else one.place
        return True

    def withdraw(self, *, patient: bool, doubtful: bool) -> bool:
        """Whether it can be taken back (or, by the patient, given up)."""
        may_stay = {"completed", "expired", "stopped"} if patient else {"expired"}
        words = {one.word() for one in self.packages}
        if not patient and (doubtful or any(one.given for one in self.packages)):
            return False
        if not words <= may_stay | {"ready"} or "ready" not in words:
            return False
        for one in self.packages:
            one.place = "cancel" if one.place == "shelf" else one.place
        return True

    def _back(self, one: Package, now: int) -> None:
        one.place = "stop" if one.asked_back else "shelf" if now < one.closes else "time"
        one.asked_back, one.holder, one.last = False, "", 0


def history(seed: int, length: int, world: Prescribing | None = None) -> list[str]:
    """What the ledger did otherwise than the model in a history by chance; and where the two stood apart afterwards."""
    chance, ledger, wrong = random.Random(seed), world or Prescribing(), list[str]()
    model, name, begun = Model(1, 0, 0), "", 0
    for step in range(length):
        if step - begun > 40 or not name:
            name, begun = f"rx {seed} {step}", step
            count, interval, days = chance.choice((1, 1, 3)), chance.choice((0, 0, 20 * DAY)), chance.choice((10, 90, 365))
            model = Model(count, ledger.time + days * DAY, interval)
            assert ledger.issue(name, count, days=days, interval=interval) == ""
        if chance.random() < 0.1:
            ledger.pass_time(chance.choice((0.5, 2, 4, 15, 40)))
        now = ledger.time + STEP  # of the block that comes
        model.look(now)
        act, done, refusal = _step(chance, ledger, model, name, now)
        if done != (refusal == ""):
            wrong.append(f"seed {seed} step {step}: {act} {'is' if not refusal else 'is not'} done ({refusal})")
        if ledger.statuses(name) != [one.word() for one in model.packages]:
            wrong.append(
                f"seed {seed} step {step}: after {act} {ledger.statuses(name)}, and not {[p.word() for p in model.packages]}"
            )
        if [ledger.fill(name, n).dispensed for n in range(len(model.packages))] != [one.given for one in model.packages]:
            wrong.append(f"seed {seed} step {step}: after {act} another share was dispensed")
        if wrong:
            break
    return wrong


ACTS = (
    *("accept", "accept", "dispense", "dispense", "undo", "close", "return", "free"),
    *("acknowledge", "stop", "cancel", "delete", "rotate"),
)


def _step(chance: random.Random, ledger: Prescribing, model: Model, name: str, now: int) -> tuple[str, bool, str]:
    """What is done by chance, whether the model does it, and the ledger's refusal."""
    number = chance.randrange(len(model.packages))
    act = chance.choice(ACTS)
    if act == "accept":
        who, days = chance.choice((PHARMACIST, COLLEAGUE)), chance.choice((3, 7, 14))
        done = model.accept(number, now, now + days * DAY, f"holder {who}")
        return act, done, ledger.accept(name, number, by=who, days=days)
    if act == "dispense":
        share, rest = chance.choice((1_000, 500, 400, 300)), chance.choice(tuple(Rest))
        return act, model.dispense(number, now, share, rest), ledger.dispense(name, number, share, rest)
    if act == "undo":
        return act, model.undo(number, now), ledger.undo(name, number)
    if act == "close":
        return act, model.close(number), ledger.close(name, number)
    if act == "return":
        return act, model.give_back(number, now), ledger.give_back(name, number)
    if act == "free":
        return act, model.give_back(number, now), ledger.free(name, number)
    if act == "acknowledge":
        return act, model.acknowledge(number), ledger.acknowledge(name, number)
    if act == "stop":
        rare = chance.random() < 0.2
        return (act, model.stop(), ledger.stop(name)) if rare else (act, True, "")
    if act == "rotate":
        return act, model.packages[number].place == "shelf", ledger.rotate(name, number)
    doubtful = any(ledger.fill(name, n).doubtful for n in range(len(model.packages)))
    if chance.random() < 0.8:
        return act, True, ""
    if act == "cancel":
        return act, model.withdraw(patient=False, doubtful=doubtful), ledger.cancel(name)
    return act, model.withdraw(patient=True, doubtful=False), ledger.delete(name)
