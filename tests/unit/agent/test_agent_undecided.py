"""While a network does not decide: what was sent is kept, a patient reads and takes back, and nothing is sent twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from node_world import code
from salus.agent.services import charting, revoking
from salus.agent.services.resuming import resume
from salus.agent.services.submitting import Outgoing
from salus.errors import AgentRefused, NodeRefused
from salus.exchange.api import Submission, TxStatus
from world import PATIENT, World, thread


def pulse(number: str) -> bytes:
    value: dict[str, Any] = {"resourceType": "Observation", "id": number, "status": "final", "code": {"text": "Pulse"}}
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": value}]}).encode()


def shown(world: World) -> set[str]:
    return {version.identity[1] for version in charting.open_chart(world.agent, PATIENT, PATIENT).shown}


def test_while_something_is_undecided_a_patient_reads_and_takes_back_and_sends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NET-10."""

    def undecided(submission: Submission) -> TxStatus:
        raise AgentRefused("undecided", "nobody knows yet")

    with thread(tmp_path / "home") as world:
        grant = world.grant()
        with monkeypatch.context() as standing:
            standing.setattr(world.agent.network, "submit", undecided)
            assert code(lambda: world.take_in(pulse("one"))) == "agent/undecided"
            kept = len(world.agent.store.all(Outgoing, b""))
            assert kept > 0
            resume(world.agent)
            assert world.agent.undecided
            assert len(world.agent.store.all(Outgoing, b"")) == kept
            assert len(shown(world)) > 40
        assert code(lambda: world.take_in(pulse("two"))) == "agent/undecided"
        revoking.revoke(world.agent, PATIENT, grant=grant.grant)
        resume(world.agent)
        assert not world.agent.undecided
        assert world.agent.store.all(Outgoing, b"") == []
        assert "Observation/one" in shown(world)
        assert world.take_in(pulse("one")).unchanged == 1
        assert world.take_in(pulse("two")).unchanged == 1  # it was kept, and completed as well


def test_what_is_ordered_while_it_is_signed_anew_is_done_and_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NET-10: a node that cannot go on with what it has handed on before tells nothing of what becomes of it."""
    with thread(tmp_path / "home") as world:
        real, sent = world.agent.network.submit, list[Submission]()

        def undecided(submission: Submission) -> TxStatus:
            sent.append(submission)
            raise AgentRefused("undecided", "nobody knows yet")

        def late(submission: Submission) -> TxStatus:
            if submission in sent:
                raise NodeRefused("too-few-copies", "too few members answer")
            for earlier in sent:
                real(earlier)
            return real(submission)

        with monkeypatch.context() as standing:
            standing.setattr(world.agent.network, "submit", undecided)
            assert code(lambda: world.take_in(pulse("one"))) == "agent/undecided"
            standing.setattr(world.agent.network, "submit", late)
            resume(world.agent)
        assert "Observation/one" in shown(world)
        assert world.take_in(pulse("one")).unchanged == 1
