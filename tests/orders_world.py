"""Orders on a ledger in memory: named people, calls for what each does, and a small model of what must come of it."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field

from ledger_world import STEP, Ledger, licence_for, public, some
from prescriptions_world import founding
from salus.ledger.genesis import Genesis, LicenceRight
from salus.ledger.modules.licences.messages import LicenceStatus, SetLicenceStatus
from salus.ledger.modules.orders.messages import (
    AcceptOrder,
    AcknowledgeReport,
    CancelOrder,
    CollectSpecimen,
    PlaceOrder,
    Reason,
    RejectOrder,
    RejectSpecimen,
    ReportResult,
    ReportStatus,
    WithdrawOrder,
)
from salus.ledger.modules.orders.queries import order, report, reports
from salus.ledger.modules.orders.state import DAY, NOBODY, Order, Report, order_id
from salus.ledger.tx import licence_id

DOCTOR, CHIEF, COVER, LABORATORY, SHIFT = "doctor", "chief", "cover", "laboratory", "next shift"
PRELIMINARY, FINAL, CORRECTED = ReportStatus.PRELIMINARY, ReportStatus.FINAL, ReportStatus.CORRECTED


@dataclass
class Ordering(Ledger):
    """A doctor orders, a chief is responsible, another covers; two of a laboratory. Each call returns the refusal, "" if none."""

    genesis: Genesis = field(default_factory=founding)
    licences: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        doctors = dict.fromkeys((DOCTOR, CHIEF, COVER), LicenceRight.ORDER)
        for name, right in (doctors | dict.fromkeys((LABORATORY, SHIFT), LicenceRight.REPORT)).items():
            self.licences[name] = licence_id(self.done(licence_for(name, right), by=["clinic authority"]), 0)

    def suspend(self, name: str) -> None:
        """The licence is suspended."""
        self.done(SetLicenceStatus(self.licences[name], LicenceStatus.SUSPENDED), by=["clinic authority"])

    def id(self, name: str) -> bytes:
        """The handle of the order of that name."""
        return order_id(self.network, public(f"bearer {name}"))

    def place(self, name: str, *, by: str = DOCTOR, responsible: str = CHIEF, days: float = 10, control: bool = True) -> str:
        """An order whose final report is due in so many days."""
        message = PlaceOrder(
            self.licences[by],
            public(f"bearer {name}"),
            public(f"control {name}") if control else NOBODY,
            self.licences[responsible],
            self.licences[COVER],
            some(f"content {name}"),
            self.time + STEP + int(days * DAY),
        )
        return self.do(message, by=[by])

    def accept(self, name: str, *, by: str = LABORATORY, bearer: str = "") -> str:
        """The laboratory takes it."""
        message = AcceptOrder(self.id(name), self.licences[by], public(f"holder {name}"))
        return self.do(message, by=[bearer or f"bearer {name}", by])

    def reject(self, name: str, by: str = "") -> str:
        """The laboratory will not do it."""
        found = self.order(name).holder
        return self.do(
            RejectOrder(self.id(name), Reason.UNCLEAR), by=[by or f"{'holder' if found != NOBODY else 'bearer'} {name}"]
        )

    def collect(self, name: str, by: str = "") -> str:
        """A specimen is there."""
        return self.do(CollectSpecimen(self.id(name), some(f"specimen {name}")), by=[by or f"holder {name}"])

    def spoil(self, name: str) -> str:
        """The specimen is of no use."""
        return self.do(RejectSpecimen(self.id(name), Reason.HAEMOLYSED), by=[f"holder {name}"])

    def report(
        self,
        name: str,
        status: ReportStatus = FINAL,
        follows: int | None = None,
        *,
        days: float = 1,
        by: str = LABORATORY,
        holder: str = "",
    ) -> str:
        """A report, after those that there are, to be acknowledged within so many days."""
        after = self.order(name).reports if follows is None else follows
        due = self.time + STEP + int(days * DAY)
        message = ReportResult(self.id(name), self.licences[by], some(f"report {name} {after}"), status, after, due)
        return self.do(message, by=[holder or f"holder {name}", by])

    def acknowledge(self, name: str, number: int = 0, by: str = CHIEF) -> str:
        """Somebody has seen it."""
        return self.do(AcknowledgeReport(self.id(name), number, self.licences[by]), by=[by])

    def cancel(self, name: str, by: str = DOCTOR) -> str:
        """The orderer takes it back."""
        return self.do(CancelOrder(self.id(name)), by=[by])

    def withdraw(self, name: str, by: str = "") -> str:
        """The patient will not have it done."""
        return self.do(WithdrawOrder(self.id(name)), by=[by or f"control {name}"])

    def collected(self, name: str) -> None:
        """An order that a laboratory has a specimen of."""
        assert self.place(name) == self.accept(name) == self.collect(name) == ""

    def order(self, name: str) -> Order:
        """As it stands."""
        return order(self.store, self.id(name))

    def one(self, name: str, number: int = 0) -> Report:
        """One of its reports."""
        return report(self.store, self.id(name), number)

    def attention(self, name: str) -> list[str]:
        """That its reports have, in order."""
        return [one.attention.value for one in reports(self.store, self.id(name))]

    def pass_time(self, days: float) -> None:
        """A block after so many days."""
        self.block(at=self.time + int(days * DAY))


# --- the model: no tables, no keys, no deadlines; what a person would write down


@dataclass
class Sheet:
    """A report as a person would keep it."""

    until: int
    red: bool = False
    seen: bool = False
    replaced: bool = False

    def word(self) -> str:
        """What the ledger calls the attention that it has."""
        if self.seen:
            return "acknowledged"
        return "superseded" if self.replaced else "climbed" if self.red else "awaited"


@dataclass
class Model:
    """One order."""

    deadline: int
    taken: bool = False
    tube: bool = False
    final: bool = False
    over: str = ""  # rejected, cancelled
    late: bool = False
    sheets: list[Sheet] = field(default_factory=list)

    def word(self) -> str:
        """What the ledger calls it."""
        if self.over or self.final:
            return self.over or "completed"
        return "failed" if self.late else "in-progress" if self.tube else "accepted" if self.taken else "requested"

    def look(self, now: int) -> None:
        """What time has done."""
        self.late = self.late or (now >= self.deadline and not self.over and not self.final)
        for sheet in self.sheets:
            sheet.red = sheet.red or (now >= sheet.until and sheet.word() == "awaited")

    def accept(self) -> bool:
        """Whether a laboratory gets it."""
        done = self.word() == "requested"
        self.taken = self.taken or done
        return done

    def collect(self) -> bool:
        """Whether a specimen is taken."""
        done = self.word() == "accepted"
        self.tube = self.tube or done
        return done

    def spoil(self) -> bool:
        """Whether it is thrown away."""
        done = self.word() == "in-progress"
        self.tube = self.tube and not done
        return done

    def end(self, how: str, words: tuple[str, ...]) -> bool:
        """Whether it ends so."""
        done = self.word() in words and not (how == "taken back" and self.sheets)
        if done:
            self.over = "rejected" if how == "rejected" else "cancelled"
        return done

    def report(self, status: ReportStatus, follows: int, until: int) -> bool:
        """Whether the report counts."""
        if self.word() not in ("in-progress", "failed", "completed") or not self.tube:
            return False
        if follows != len(self.sheets) or (status is CORRECTED) != self.final:
            return False
        new = Sheet(until)
        if self.sheets and not self.sheets[-1].seen:
            last = self.sheets[-1]
            new.until, new.red, last.replaced = min(until, last.until), last.red, True
        self.sheets.append(new)
        self.final = self.final or status is FINAL
        return True

    def acknowledge(self, number: int) -> bool:
        """Whether there was something to be seen."""
        if number >= len(self.sheets) or self.sheets[number].word() not in ("awaited", "climbed"):
            return False
        self.sheets[number].seen = True
        return True


ACTS = (
    "accept",
    "accept",
    "collect",
    "collect",
    "report",
    "report",
    "report",
    "acknowledge",
    "acknowledge",
    "spoil",
    "end",
    "wait",
)


def history(seed: int, length: int, world: Ordering | None = None) -> list[str]:
    """What the ledger did otherwise than the model in a history by chance; and where the two stood apart afterwards."""
    chance, ledger, wrong = random.Random(seed), world or Ordering(), list[str]()
    model, name, begun = Model(0), "", 0
    for step in range(length):
        if step - begun > 40 or not name:
            name, begun, days = f"order {seed} {step}", step, chance.choice((1, 10, 90))
            assert ledger.place(name, days=days) == ""
            model = Model(ledger.time + int(days * DAY))
        act = chance.choice(ACTS)
        if act == "wait":
            ledger.pass_time(chance.choice((0.2, 1, 4, 20)))
            model.look(ledger.time)
        now = ledger.time + STEP  # of the block that comes
        before = ledger.time
        model.look(now)
        did, done, refusal = _step(chance, ledger, model, name, act)
        if ledger.time == before:
            ledger.block()
        if done != (refusal == ""):
            wrong.append(f"seed {seed} step {step}: {did} {'is' if not refusal else 'is not'} done ({refusal})")
        stands = (ledger.order(name).status.value, ledger.attention(name))
        if stands != (model.word(), [sheet.word() for sheet in model.sheets]):
            meant = (model.word(), [sheet.word() for sheet in model.sheets])
            wrong.append(f"seed {seed} step {step}: after {did} {stands}, and not {meant}")
        if wrong:
            break
    return wrong


def _step(chance: random.Random, ledger: Ordering, model: Model, name: str, act: str) -> tuple[str, bool, str]:
    """What is done by chance, whether the model does it, and the ledger's refusal."""
    if act == "accept":
        return act, model.accept(), ledger.accept(name, by=chance.choice((LABORATORY, SHIFT)))
    if act == "collect":
        return act, model.collect(), ledger.collect(name)
    if act == "spoil":
        return (act, model.spoil(), ledger.spoil(name)) if chance.random() < 0.5 else (act, True, "")
    if act == "report":
        follows = max(0, len(model.sheets) - (chance.random() < 0.1))
        status, days = chance.choice(tuple(ReportStatus)), chance.choice((0.1, 1, 30))
        until = ledger.time + STEP + int(days * DAY)
        return f"{act} {status}", model.report(status, follows, until), ledger.report(name, status, follows, days=days)
    if act == "acknowledge":
        number = max(0, len(model.sheets) - chance.choice((1, 1, 2)))
        return act, model.acknowledge(number), ledger.acknowledge(name, number, by=chance.choice((CHIEF, COVER)))
    if act == "end" and chance.random() < 0.3:
        how = chance.choice(("rejected", "taken back", "withdrawn"))
        if how == "rejected":
            return how, model.end(how, ("requested", "accepted")), ledger.reject(name)
        if how == "taken back":
            return how, model.end(how, ("requested", "accepted", "in-progress")), ledger.cancel(name)
        return how, model.end(how, ("requested", "accepted")), ledger.withdraw(name)
    return act, True, ""


def main() -> None:
    """``python tests/orders_world.py [ACTIONS]``: histories of 500 actions each, by hand."""
    actions = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    wrong = [line for seed in range(-(-actions // 500)) for line in history(seed, 500)]
    sys.stdout.write(f"{actions} actions, illegal: {len(wrong)} {wrong}\n")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
