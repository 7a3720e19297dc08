"""Findings that a prescriber overrides: in the request as FHIR's DetectedIssue, by codes alone.

Neither the allergen nor the other medicine is named there: whoever sees the prescription sees of which kind the finding was, and
why it did not hold the prescriber back; what it was about is in the record, where the patient shares that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from salus.clinical.checks import ALLERGY, DOSE, DUPLICATE, INTERACTION, Check
from salus.fhir.parsing import Resource, read_resource, to_json

KINDS = {
    ALLERGY: "an allergy",
    DUPLICATE: "the same medicine, taken already",
    INTERACTION: "a contraindicated interaction",
    DOSE: "a dose over the limit",
}
REASONS = "urn:salus:override"
_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_PREFIX = "overridden-"


class Override(StrEnum):
    """Why a finding did not hold the prescriber back."""

    BENEFIT = "benefit-outweighs-risk"
    TOLERATED = "tolerated-before"
    DOUBTFUL = "allergy-doubtful"
    ALTERNATIVE = "no-alternative"
    DOSE = "dose-intended"
    CONTINUES = "continues-therapy"


@dataclass(frozen=True)
class Overridden:
    """A finding that was overridden, by codes."""

    finding: str
    reason: str

    @property
    def words(self) -> str:
        """Both as people say them."""
        return f"{KINDS.get(self.finding, self.finding)}: {self.reason.replace('-', ' ')}"


def with_overrides(request: Resource, findings: Sequence[Check], reason: str) -> Resource:
    """The request that carries, for each kind of finding, a contained DetectedIssue with ``reason`` as its mitigation.

    What it carried of that kind before is gone: a request that is written again brings no override along.
    """
    value = without_overrides(request.value)
    kinds = sorted({finding.code for finding in findings if finding.blocks})
    if not kinds or not reason:
        return read_resource(to_json(value), request.full_url)
    issues = [_issue(kind, reason) for kind in kinds]
    value["contained"] = [*value.get("contained", []), *issues]
    value["detectedIssue"] = [*value.get("detectedIssue", []), *({"reference": f"#{issue['id']}"} for issue in issues)]
    return read_resource(to_json(value), request.full_url)


def without_overrides(value: dict[str, Any]) -> dict[str, Any]:
    """The value of a request, without what `with_overrides` puts into one."""
    kept = {
        "contained": [one for one in value.get("contained", []) if not _is_ours(one.get("id"))],
        "detectedIssue": [one for one in value.get("detectedIssue", []) if not _is_ours(str(one.get("reference"))[1:])],
    }
    others = {name: item for name, item in value.items() if name not in kept}
    return {**others, **{name: items for name, items in kept.items() if items}}


def overridden(request: Resource) -> tuple[Overridden, ...]:
    """What the prescriber has overridden in it."""
    found = [_read(one) for one in request.value.get("contained", []) if isinstance(one, dict) and _is_ours(one.get("id"))]
    return tuple(one for one in found if one is not None)


def _issue(kind: str, reason: str) -> dict[str, Any]:
    return {
        "resourceType": "DetectedIssue",
        "id": f"{_PREFIX}{kind.lower()}",
        "status": "final",
        "code": {"coding": [{"system": _ACT_CODE, "code": kind}]},
        "severity": "high",
        "mitigation": [{"action": {"coding": [{"system": REASONS, "code": reason}]}}],
    }


def _is_ours(identity: Any) -> bool:
    return isinstance(identity, str) and identity.startswith(_PREFIX)


def _read(issue: dict[str, Any]) -> Overridden | None:
    match issue:
        case {
            "code": {"coding": [{"code": str(finding)}]},
            "mitigation": [{"action": {"coding": [{"system": system, "code": str(reason)}]}}],
        } if system == REASONS:
            return Overridden(finding, reason)
        case _:
            return None
