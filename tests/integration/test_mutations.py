"""Changed bytes of every format that strangers hand over: none is accepted, none ends in anything but a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any
from unittest.mock import ANY

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from byte_mutants import MEASURED, SLACK_BYTES, SLACK_CALLS, Format, Outcome, Sample, run
from mutation_samples import formats
from salus.errors import Malformed

SEED, COUNT = 5, 5_000
NAMES = (
    *("transaction", "header", "block", "commit", "answer", "proof", "read", "owner-request", "promise", "receipts", "entry"),
    *(
        "inside",
        "card",
        "envelope",
        "letter",
        "listing",
        "page",
        "mailbox",
        "deposit",
        "reference",
        "stamp",
        "redemption",
        "engine-ask",
        "peer-ask",
        "export",
        "locked",
        "fhir",
    ),
)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Format]]:
    """Every format by name, with its samples."""
    with formats(tmp_path_factory.mktemp("story") / "home") as found:
        yield {form.name: form for form in found}


def test_the_formats_are_those_that_are_named_here(every: dict[str, Format]) -> None:
    assert tuple(every) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_accepted_and_no_changed_byte_is(name: str, every: dict[str, Format]) -> None:
    """ENC-2, ENC-8."""
    form = every[name]
    assert len(form.samples) > 1
    for sample in form.samples:
        sample.accept(sample.data)
    found = run(form, SEED, COUNT // len(NAMES))
    assert [(failure.kind, failure.text) for failure in found.failures] == []
    assert found.tried == COUNT // len(NAMES)
    assert found.refused.total() + found.kept == found.tried
    assert found.kept == 0 or form.tolerant


def nothing(*arguments: object, **options: object) -> None:
    """A check that checks nothing."""


def unauthenticated(key: bytes, aad: bytes, sealed: bytes) -> bytes:
    """AES-256-GCM opened without a look at its tag."""
    decryptor = Cipher(AES(key), CTR(sealed[:12] + b"\x00\x00\x00\x02")).decryptor()
    return decryptor.update(sealed[12:-16])


#: A check that is taken away, and the format in which changed bytes then pass.
CONTROLS: tuple[tuple[str, str, Callable[..., object], str], ...] = (
    ("salus.codec", "require_canonical", nothing, "owner-request"),
    ("salus.charts.sealing", "require_content", nothing, "inside"),
    ("salus.charts.sealing", "require_hybrid", nothing, "inside"),
    ("mutation_samples", "require_committed", nothing, "inside"),
    ("salus.crypto.aead", "open", unauthenticated, "export"),
    ("salus.crypto.aead", "open", unauthenticated, "locked"),
    ("salus.ledger.machine", "require_signature", nothing, "transaction"),
    ("salus.ledger.trusting", "require_signature", nothing, "header"),
    ("salus.ledger.verifying", "require_presence", nothing, "answer"),
    ("salus.node.replaying", "require_same_roots", nothing, "block"),
    ("salus.exchange.proofs", "proof_file", lambda proofs: ANY, "proof"),
    ("salus.warrants.checking", "require_issuer", nothing, "read"),
    ("salus.warrants.holding", "require_signature", nothing, "owner-request"),
    ("salus.warrants.receipting", "require_signature", nothing, "promise"),
    ("salus.warrants.receipting", "require_in_list", nothing, "receipts"),
    ("salus.exchange.carding", "require_hybrid", nothing, "card"),
    ("salus.exchange.listings", "require_hybrid", nothing, "listing"),
    ("salus.exchange.schedules", "require_hybrid", nothing, "page"),
    ("salus.exchange.posting", "require_hybrid", nothing, "letter"),
    ("salus.exchange.posting", "require_signature", nothing, "mailbox"),
    ("salus.exchange.inviting", "require_signature", nothing, "redemption"),
    ("salus.exchange.peering", "require_signature", nothing, "peer-ask"),
    ("salus.exchange.peering", "require_signature", nothing, "engine-ask"),
    ("salus.exchange.posting", "require_signature", nothing, "stamp"),
    ("salus.fhir.chart_text", "_clean", str, "fhir"),
)


@pytest.mark.parametrize(("module", "name", "instead", "form"), CONTROLS, ids=[f"{row[1]}-{row[3]}" for row in CONTROLS])
def test_a_check_that_is_taken_away_lets_changed_bytes_pass(
    module: str, name: str, instead: Any, form: str, every: dict[str, Format], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module(module), name, instead)
    assert run(every[form], SEED, 400).failures


def of(accept: Callable[[bytes], object]) -> Outcome:
    """What becomes of mutants where bytes are accepted like that."""
    return run(Format("any", (Sample(b"0123456789", accept),)), SEED, MEASURED * 2)


def test_another_exception_than_a_refusal_is_noticed() -> None:
    def accept(data: bytes) -> None:
        if data != b"0123456789":
            raise ValueError("uncaught")

    found = of(accept)
    assert len(found.failures) == found.tried
    assert "uncaught" in found.failures[0].text


def refuse_with(waste: Callable[[], object]) -> Callable[[bytes], None]:
    def accept(data: bytes) -> None:
        if data != b"0123456789":
            waste()
            raise Malformed("not-decodable")

    return accept


def test_memory_and_work_beyond_bounds_are_noticed() -> None:
    assert not of(refuse_with(lambda: None)).failures
    assert "bytes" in of(refuse_with(lambda: bytearray(SLACK_BYTES + 1))).failures[0].text
    assert "calls" in of(refuse_with(lambda: [len(b"") for _ in range(SLACK_CALLS)])).failures[0].text
