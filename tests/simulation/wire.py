"""The network between a home and its node, where anything can go wrong, and where all that passes is written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from salus.errors import AgentRefused, SalusError
from salus.exchange.api import Served, Submission, TxStatus
from salus.ledger.verifying import StateAnswer
from salus.warrants.receipts import ReceiptsAnswer
from salus.warrants.requests import ReadRequest, SignedRead
from simulation.disk import Stopped
from simulation.faults import (
    AGAIN,
    KILLED,
    KILLED_AFTER,
    KILLED_POSTING,
    LATE,
    LIE,
    LOST,
    SENDING,
    STALE,
    TWICE,
    UNANSWERED,
    Fault,
)
from simulation.world import World

CHANGING = ("submit", "drop", "read", "open_mailbox", "collect")


class Killed(BaseException):
    """The home's machine stops: as `Stopped`, between two calls."""


def unreachable() -> AgentRefused:
    """What an agent sees of everything that goes wrong on the way."""
    return AgentRefused("node-unreachable", "the node does not answer")


@dataclass
class Waiting:
    """A message that is still on its way: it arrives ``due`` steps from now."""

    due: int
    deliver: Callable[[], object]


@dataclass
class Passed:
    """What passed: each answer of a vault, each acknowledgement; and what entries were sealed as, {(section, number): blobs}."""

    served: list[tuple[str, SignedRead, Served, int]] = field(default_factory=list)  # the last: the newest block of the vault
    committed: list[tuple[str, Submission, TxStatus]] = field(default_factory=list)
    letters: list[tuple[bytes, bytes]] = field(default_factory=list)
    sealings: dict[tuple[bytes, int], list[bytes]] = field(default_factory=dict)


@dataclass
class Wire:
    """A home's way to the node, as `salus.agent.network.Network`; the running step sets its ``faults``."""

    world: World
    home: str
    passed: Passed
    waiting: list[Waiting]
    told: Callable[[str], None]
    faults: tuple[Fault, ...] = ()
    calls: int = 0
    sent: int = 0
    posted: int = 0
    answers: int = 0
    cut_off: int = 0  # steps
    lied: int = 0
    pause: Callable[[str], None] = lambda _: None

    def begin(self, faults: tuple[Fault, ...]) -> None:
        """A step begins."""
        self.faults, self.calls, self.sent, self.posted, self.answers = faults, 0, 0, 0, 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            return self._call(name, given, named)

        return call

    def _call(self, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        self.pause(name)
        self.calls += 1
        self.sent += name in SENDING
        now = (self.calls, -self.sent) if name in SENDING else (self.calls,)
        found = {fault.what: fault for fault in self.faults if fault.at in now}
        self.posted += name == "drop"
        posting = name == "drop" and any(fault.what == KILLED_POSTING and fault.at == self.posted for fault in self.faults)
        if KILLED in found or posting:
            self.told(f"{name}: killed")
            raise Killed
        if self.cut_off or LOST in found:
            self.told(f"{name}: lost")
            raise unreachable()
        if LATE in found:
            self.told(f"{name}: late")
            self._later(found[LATE].more, name, given, named)
            raise unreachable()
        if AGAIN in found:
            self._later(found[AGAIN].more, name, given, named)
        answer = self._done(name, given, named)
        if TWICE in found:
            self._quietly(name, given, named)
        if KILLED_AFTER in found:
            self.told(f"{name}: killed after")
            raise Killed
        if UNANSWERED in found:
            self.told(f"{name}: unanswered")
            raise unreachable()
        return self._perhaps_a_lie(name, given, answer)

    def _later(self, due: int, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        if name in CHANGING:
            self.waiting.append(Waiting(due, lambda: self._quietly(name, given, named)))

    def _quietly(self, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Do it once more; nobody hears the answer."""
        try:
            self._done(name, given, named)
        except SalusError as error:
            self.told(f"{name} again: {error.full_code}")

    def _done(self, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        try:
            seen = self._height_at(given[0].request.vault) if name == "read" else 0
            answer = getattr(self.world.host_of(self.home).node, name)(*given, **named)
        except Stopped as stopped:
            self.told(f"{name}: power cut")
            self.world.hosts[stopped.args[0]].crash()
            raise unreachable() from None
        except SalusError as error:
            self.told(f"{name}: {error.full_code}")
            raise
        if name == "read":
            self.passed.served.append((self.home, given[0], answer, seen))
        elif name == "submit":
            self.passed.committed.append((self.home, given[0], answer))
        elif name == "drop":
            self.passed.letters.append((given[0].mailbox, given[0].sealed))
        return answer

    def _height_at(self, member: bytes) -> int:
        """The newest block that the member's node has."""
        return self.world.host_at(member).node.engine.newest_header().header.height

    def _perhaps_a_lie(self, name: str, given: tuple[Any, ...], answer: Any) -> Any:
        if name not in LIES:
            return answer
        self.answers += 1
        lie = next((fault for fault in self.faults if fault.what == LIE and fault.at == self.answers), None)
        told = answer if lie is None else LIES[name](answer, lie.more)
        if name == "read" and any(fault.what == STALE for fault in self.faults):
            told = self._as_it_was(given[0].request, told)
        if told != answer:
            self.lied += 1
            self.told(f"{name}: a lie")
        return told

    def _as_it_was(self, request: ReadRequest, served: Served) -> Served:
        """The entries as they were sealed first."""
        first = [self.passed.sealings[request.section, number][0] for number in request.entries]
        return replace(served, blobs=(*first, *served.blobs[len(first) :]))


def _about_entries(served: Served, which: int) -> Served:
    """Another byte, nothing at all, one instead of another, or one less."""
    blobs = list(served.blobs)
    if not blobs:
        return served
    at = which // 4 % len(blobs)
    if which % 4 == 0 and blobs[at]:
        blobs[at] = _flipped(blobs[at], which)
    elif which % 4 == 1:
        blobs[at] = b""
    elif which % 4 == 2:
        blobs[at] = blobs[at - 1]
    else:
        del blobs[at]
    return replace(served, blobs=tuple(blobs))


def _about_states(answers: tuple[StateAnswer, ...], which: int) -> tuple[StateAnswer, ...]:
    """Another value, none, or another key's."""
    if not answers:
        return answers
    at = which // 3 % len(answers)
    one = answers[at]
    if which % 3 == 0:
        changed = replace(one, value=None if one.value is not None else b"\x90")
    elif which % 3 == 1 and one.value:
        changed = replace(one, value=_flipped(one.value, which))
    else:
        changed = replace(answers[at - 1], key=one.key)
    return (*answers[:at], changed, *answers[at + 1 :])


def _about_receipts(answer: ReceiptsAnswer, which: int) -> ReceiptsAnswer:
    """One less, or another byte."""
    if not answer.receipts:
        return answer
    last = answer.receipts[-1]
    if which % 2:
        return replace(answer, receipts=(*answer.receipts[:-1], replace(last, sealed=_flipped(last.sealed, which))))
    return replace(answer, receipts=answer.receipts[:-1], total=answer.total - 1)


def _flipped(data: bytes, which: int) -> bytes:
    at = which * 7919 % len(data)
    return data[:at] + bytes([data[at] ^ (1 << which % 8)]) + data[at + 1 :]


LIES: dict[str, Callable[[Any, int], Any]] = {"read": _about_entries, "states": _about_states, "receipts": _about_receipts}
