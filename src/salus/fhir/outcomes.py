"""A refusal in FHIR's words: which IssueType (http://hl7.org/fhir/issue-type) a code is, and its OperationOutcome."""

from __future__ import annotations

from salus.errors import SalusError
from salus.fhir.parsing import read_resource, to_json
from salus.fhir.validation import require_valid

#: By the whole code, or by what it begins with: the longest that fits.
ISSUE_TYPES = {
    "agent/": "processing",
    "agent/ambiguous-": "multiple-matches",
    "agent/no-": "not-found",
    "agent/not-": "business-rule",
    "agent/node-unreachable": "transient",
    "agent/undecided": "transient",
    "agent/code-replaced": "conflict",
    "agent/no-licence": "forbidden",
    "agent/not-prescriber": "forbidden",
    "agent/no-substitution": "business-rule",
    "agent/order-altered": "security",
    "agent/prescription-altered": "security",
    "agent/report-altered": "security",
    "agent/prescription-too-large": "too-long",
    "agent/words-too-long": "too-long",
    "agent/unsafe-prescription": "business-rule",
    "agent/wrong-network": "security",
    "agent/wrong-patient": "conflict",
    "codec/": "structure",
    "crypto/": "security",
    "fhir/": "invalid",
    "fhir/bad-loinc": "code-invalid",
    "fhir/unknown-unit": "code-invalid",
    "fhir/no-unit": "required",
    "ledger/": "business-rule",
    "ledger/is-": "conflict",
    "ledger/slot-": "conflict",
    "ledger/handle-taken": "duplicate",
    "ledger/replayed": "duplicate",
    "ledger/expired": "expired",
    "ledger/no-such-": "not-found",
    "ledger/not-licensed": "forbidden",
    "ledger/not-responsible": "forbidden",
    "ledger/not-at-this-desk": "forbidden",
    "ledger/quota-spent": "throttled",
    "ledger/too-many-open": "throttled",
    "node/": "processing",
    "warrants/": "forbidden",
}


def issue_type(code: str) -> str:
    """The IssueType of a full code, such as ``ledger/is-accepted``; ``processing`` where none fits better."""
    fitting = [begins for begins in ISSUE_TYPES if code.startswith(begins)]
    return ISSUE_TYPES[max(fitting, key=len)] if fitting else "processing"


def outcome(error: SalusError) -> bytes:
    """A valid OperationOutcome that says what was refused, by type, code and text."""
    details = {"coding": [{"system": "urn:salus:refusal", "code": error.full_code}], "text": error.text}
    issue = {"severity": "error", "code": issue_type(error.full_code), "details": details}
    raw = to_json({"resourceType": "OperationOutcome", "issue": [issue]})
    require_valid(read_resource(raw))
    return raw
