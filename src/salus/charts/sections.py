"""What a section of a chart is for: known only to those who can read it."""

from __future__ import annotations

from enum import StrEnum


class SectionKind(StrEnum):
    """The sections of a patient's chart, and a member's own records section."""

    DEMOGRAPHICS = "demographics"
    COVERAGE = "coverage"  # coverage and claims
    SUMMARY = "summary"
    MEDICATIONS = "medications"
    PROBLEMS = "problems"  # allergies and problems
    RESULTS = "results"
    CARE = "care"  # procedures and encounters
    VITALS = "vitals"
    DOCUMENTS = "documents"
    SENSITIVE = "sensitive"
    MANIFEST = "manifest"
    RECORDS = "records"  # a member's own: what it is bound to retain


#: What a grant covers when the patient names no section.
DEFAULT_GRANT = (
    SectionKind.SUMMARY,
    SectionKind.MEDICATIONS,
    SectionKind.PROBLEMS,
    SectionKind.RESULTS,
    SectionKind.CARE,
    SectionKind.VITALS,
)
