"""A refusal in FHIR's words: which IssueType (http://hl7.org/fhir/issue-type) a code is, and its OperationOutcome."""

from __future__ import annotations

from salus.errors import SalusError
from salus.fhir.parsing import read_resource, to_json
from salus.fhir.validation import require_valid

#: By codespace, and by what the code begins with: the longest that fits.
ISSUE_TYPES = {
    "agent": {
        "": "processing",
        "ambiguous-": "multiple-matches",
        "code-replaced": "conflict",
        "no-": "not-found",
        "no-licence": "forbidden",
        "no-substitution": "business-rule",
        "node-unreachable": "transient",
        "not-": "business-rule",
        "not-prescriber": "forbidden",
        "order-altered": "security",
        "prescriber-unknown": "business-rule",
        "prescription-altered": "security",
        "prescription-too-large": "too-long",
        "report-altered": "security",
        "supplied-before": "conflict",
        "undecided": "transient",
        "unsafe-prescription": "business-rule",
        "words-too-long": "too-long",
        "wrong-network": "security",
        "wrong-patient": "conflict",
    },
    "codec": {
        "": "structure",
    },
    "crypto": {
        "": "security",
    },
    "fhir": {
        "": "invalid",
        "bad-loinc": "code-invalid",
        "no-unit": "required",
        "unknown-unit": "code-invalid",
    },
    "ledger": {
        "": "business-rule",
        "expired": "expired",
        "handle-taken": "duplicate",
        "is-": "conflict",
        "no-such-": "not-found",
        "not-at-this-desk": "forbidden",
        "not-licensed": "forbidden",
        "not-responsible": "forbidden",
        "quota-spent": "throttled",
        "replayed": "duplicate",
        "slot-": "conflict",
        "too-many-open": "throttled",
    },
    "node": {
        "": "processing",
    },
    "warrants": {
        "": "forbidden",
    },
}


def issue_type(full_code: str) -> str:
    """The IssueType of a full code, such as ``ledger/is-accepted``; ``processing`` where none fits better."""
    codespace, _, code = full_code.partition("/")
    types = ISSUE_TYPES.get(codespace, {"": "processing"})
    return types[max((begins for begins in types if code.startswith(begins)), key=len)]


def outcome(error: SalusError) -> bytes:
    """A valid OperationOutcome that says what was refused, by type, code and text."""
    details = {"coding": [{"system": "urn:salus:refusal", "code": error.full_code}], "text": error.text}
    issue = {"severity": "error", "code": issue_type(error.full_code), "details": details}
    raw = to_json({"resourceType": "OperationOutcome", "issue": [issue]})
    require_valid(read_resource(raw))
    return raw
