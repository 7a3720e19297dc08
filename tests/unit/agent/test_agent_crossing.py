"""One device grants while another one erases: whatever comes first, the reader opens what is left, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from deaths import small, vital
from salus.agent.given import given_grant
from salus.agent.services import charting, erasing, granting, inbox, pairing, revoking
from salus.agent.services.manifest import sync
from salus.agent.services.received import ReceivedGrant
from salus.agent.services.renewing import GrantJob
from salus.agent.services.resuming import resume
from salus.charts.sections import SectionKind
from salus.errors import AgentRefused, LedgerRefused, WarrantRefused
from world import DOCTOR, PATIENT, World, beside, bundle

VITALS = (SectionKind.VITALS,)


class Crossed:
    """A network whose call number ``at`` (of those ``named``) is preceded by an ``act``; there its home ``dies``, or goes on."""

    def __init__(self, real: Any, at: int, act: Callable[[], object], *, dies: bool, named: str = "") -> None:
        self.real, self.left, self.act, self.dies, self.named, self.done = real, at, act, dies, named, False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)

        def call(*args: Any, **options: Any) -> Any:
            self.left -= name.startswith(self.named)
            if self.left < 0 and not self.done:
                self.done = True
                self.act()
            if self.done and self.dies:
                raise AgentRefused("node-unreachable", "the home has died")
            return found(*args, **options)

        return call


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[World, World]]:
    """A patient's two devices."""
    with small(tmp_path / "home") as world, beside(world, tmp_path / "phone") as phone:
        made = pairing.add_device(world.agent, PATIENT, "phone")
        pairing.join(phone.agent, made.text, made.code)
        yield world, phone


def crossing(world: World, act: Callable[[], object], other: Callable[[], object], at: int, *, dies: bool) -> bool:
    """Do ``act`` on ``world``, ``other`` before its call number ``at``, and complete what is left; whether it came that far."""
    real, world.agent.network = world.agent.network, (crossed := Crossed(world.agent.network, at, other, dies=dies))
    try:
        with suppress(AgentRefused) if dies else nullcontext():
            act()
    finally:
        world.agent.network = real
    if dies:
        resume(world.agent)
    return crossed.done


def seen(world: World, reader: str) -> list[str]:
    chart = charting.open_chart(world.agent, reader, PATIENT, sections=VITALS)
    assert not chart.unread
    return sorted(v.identity[1] for v in chart.shown if not v.identity[1].startswith("Provenance/"))


@pytest.mark.parametrize("dies", [False, True], ids=["goes-on", "dies"])
@pytest.mark.parametrize("first", ["grant", "erase"])
def test_a_grant_and_an_erasure_of_two_devices_cross_at_any_call(two: tuple[World, World], first: str, dies: bool) -> None:
    """GRA-54."""
    world, phone = two
    for at in count():
        world.take_in(bundle(vital(f"gone-{at}"), vital(f"left-{at}")), source="Clinic")
        granted = len(granting.access(world.agent, PATIENT))

        def grant() -> None:
            world.grant(sections=VITALS)

        def erase(at: int = at) -> None:
            erasing.erase(phone.agent, PATIENT, f"Observation/gone-{at}")

        home, act, other = (world, grant, erase) if first == "grant" else (phone, erase, grant)
        came = crossing(home, act, other, at, dies=dies)
        inbox.collect(world.agent, DOCTOR)
        if len(granting.access(world.agent, PATIENT)) > granted:
            assert seen(world, DOCTOR) == seen(world, PATIENT)
        assert world.agent.store.all(GrantJob, b"") == []
        if not came:
            break
    assert at > 8


def test_a_letter_waits_where_the_vault_does_not_give_the_new_half_just_now(two: tuple[World, World]) -> None:
    """GRA-54."""
    world, phone = two
    vault = world.node.vault
    real = vault.serve

    def refuse(_: object) -> object:
        raise WarrantRefused("expired", "the warrant has expired")

    def erase() -> None:
        erasing.erase(phone.agent, PATIENT, "Observation/v1")
        vault.serve = refuse

    network = world.agent.network
    world.agent.network = Crossed(network, 0, erase, dies=False, named="submit")  # the note of the grant
    world.grant(sections=VITALS)
    world.agent.network = network
    assert len(world.agent.store.all(GrantJob, b"")) == 1
    assert world.agent.store.all(ReceivedGrant, world.agent.wallet(DOCTOR).person) == []
    vault.serve = real
    resume(world.agent)
    inbox.collect(world.agent, DOCTOR)
    assert seen(world, DOCTOR) == seen(world, PATIENT) == ["Observation/v2"]


def test_a_letter_waits_until_the_other_devices_can_know_of_the_grant(two: tuple[World, World]) -> None:
    """GRA-54: a sponsor that takes no note just now lets the letter wait as well."""
    world, phone = two
    machine = world.node.engine.app.machine
    rules = machine.genesis
    machine.genesis = replace(rules, parameters=replace(rules.parameters, quota=0))
    with pytest.raises(LedgerRefused):
        world.grant(sections=VITALS)
    resume(world.agent)
    assert inbox.collect(world.agent, DOCTOR) == ()
    machine.genesis = rules
    erasing.erase(phone.agent, PATIENT, "Observation/v1")
    resume(world.agent)
    inbox.collect(world.agent, DOCTOR)
    assert seen(world, DOCTOR) == seen(world, PATIENT) == ["Observation/v2"]


def test_a_grant_whose_end_only_the_ledger_knows_gets_no_new_halves(two: tuple[World, World]) -> None:
    """GRA-54."""
    world, phone = two
    identity = bytes.fromhex(world.grant(sections=VITALS).grant)
    doctor = world.agent.wallet(DOCTOR).person
    before = world.agent.store.find(ReceivedGrant, doctor, identity)
    wallet = sync(phone.agent, PATIENT)
    for part in given_grant(phone.agent, wallet, identity).made().sections:
        revoking.end_part(phone.agent, wallet, identity, part)
    assert erasing.erase(world.agent, PATIENT, "Observation/v1").rewritten == 1
    inbox.collect(world.agent, DOCTOR)
    assert world.agent.store.find(ReceivedGrant, doctor, identity) == before
    assert world.agent.store.all(erasing.ErasureJob, b"") == []
