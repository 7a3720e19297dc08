"""What `salus rx` shows of safety checks: lists, a row for each check, and in capitals what stands in the way."""

from __future__ import annotations

import json

import pytest
import typer

from salus.agent.services.safety import Safety, UnsafePrescription
from salus.cli.rx_safety import refuse_unsafe, require_reason, safety_text
from salus.clinical.checks import Check
from salus.errors import Misused

FINDING = Check("allergies", "done", "allergy to Penicillin G: amoxicillin is of the penicillins", "ALGY")
SAFETY = Safety(
    ("Penicillin G",), (), (FINDING, Check("interactions", "not covered", "interactions NOT checked for amoxicillin"))
)


def test_what_stands_in_the_way_is_in_capitals_and_nothing_else() -> None:
    """CLI-36."""
    text = safety_text(SAFETY)
    assert "ALLERGY TO PENICILLIN G" in text
    assert "interactions NOT checked for amoxicillin" in text
    assert "allergies: Penicillin G\ncurrent medication: none is known here" in text


def test_a_refusal_shows_the_checks_and_its_text_names_none(capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-36."""
    with pytest.raises(UnsafePrescription) as caught:
        refuse_unsafe(UnsafePrescription(SAFETY), as_json=False)
    assert "PENICILLIN" in capsys.readouterr().out
    assert "enicillin" not in str(caught.value)


def test_a_refusal_is_one_document_for_machines(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """CLI-36."""
    with pytest.raises(typer.Exit) as caught:
        refuse_unsafe(UnsafePrescription(SAFETY), as_json=True)
    assert caught.value.exit_code == 1
    document = json.loads(capsysbinary.readouterr().out)
    assert document["error"]["code"] == "agent/unsafe-prescription"
    assert document["safety"]["checks"][0]["code"] == "ALGY"


def test_a_reason_is_one_of_the_codes() -> None:
    """RX-56."""
    assert require_reason("dose-intended") == "dose-intended"
    with pytest.raises(Misused):
        require_reason("because")
