"""An order as FHIR's Task, and back: what has become of it and of its reports, for systems that know Tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from salus.errors import FhirRefused
from salus.fhir.authoring import utc
from salus.fhir.laboratory import ORDER_SYSTEM, STATUSES
from salus.fhir.parsing import Resource, moment_of, read_resource, to_json
from salus.fhir.tasks import LICENCE_SYSTEM
from salus.fhir.validation import require_valid

ATTENTION_SYSTEM, REASON_SYSTEM, DUTY_SYSTEM = "urn:salus:report-attention", "urn:salus:order-reason", "urn:salus:duty"
REPORT_SYSTEM, SPECIMEN_SYSTEM = "urn:salus:report", "urn:salus:specimen-hash"
_TASK_CODES = "http://hl7.org/fhir/CodeSystem/task-code"
_CODES = ("requested", "accepted", "in-progress", "completed", "rejected", "cancelled", "failed")
_ATTENTIONS = ("awaited", "climbed", "acknowledged", "superseded")


@dataclass(frozen=True)
class ReportInfo:
    """A report's leaf in plain values: ``number`` counts from 1, times in ms; ``by``: whose licence acknowledged it, or ""."""

    number: int
    status: str
    at: int
    due: int
    attention: str
    climbed_at: int
    by: str
    seen_at: int


@dataclass(frozen=True)
class OrderState:
    """An order's leaf in plain values: ids in hexadecimal, times in ms; "" for what is not there yet.

    Licences: who has placed it, who is ``responsible`` for what is reported, who covers, the ``laboratory`` that has accepted.
    ``specimen``: the hash of what was collected; ``reason``: why the order or a specimen was rejected last.
    """

    order: str
    status: str
    placed_at: int
    deadline_at: int
    licence: str
    responsible: str
    cover: str
    laboratory: str
    specimen: str
    reason: str
    reports: tuple[ReportInfo, ...]


def task_of_order(info: OrderState) -> bytes:
    """A valid Task that says all of it. Its business status is the attention that the last report has."""
    focus = {"type": "ServiceRequest", "identifier": {"system": ORDER_SYSTEM, "value": info.order}}
    value: dict[str, Any] = {
        "resourceType": "Task",
        "id": f"order-task-{info.order[:32]}",
        "identifier": [{"system": ORDER_SYSTEM, "value": info.order}],
        "basedOn": [focus],
        "status": info.status,
        "statusReason": _concept(REASON_SYSTEM, info.reason) if info.reason else {},
        "businessStatus": _concept(ATTENTION_SYSTEM, info.reports[-1].attention) if info.reports else {},
        "intent": "order",
        "code": {"coding": [{"system": _TASK_CODES, "code": "fulfill", "display": "Fulfill the focal request"}]},
        "focus": focus,
        "authoredOn": utc(info.placed_at),
        "requester": _licence(info.licence),
        "owner": _licence(info.laboratory) if info.laboratory else {},
        "restriction": {"period": {"end": utc(info.deadline_at)}},
        "input": [
            {"type": _concept(DUTY_SYSTEM, duty), "valueReference": _licence(licence)}
            for duty, licence in (("responsible", info.responsible), ("cover", info.cover))
        ],
        "output": [*_specimen(info.specimen), *map(_report, info.reports)],
    }
    raw = to_json({key: item for key, item in value.items() if item})
    require_valid(read_resource(raw))
    return raw


def order_of_task(task: Resource) -> OrderState:
    """What `task_of_order` has written; `FhirRefused` ``not-an-order`` for any other Task."""
    value = task.value
    try:
        (handle,) = (one["value"] for one in value["identifier"] if one["system"] == ORDER_SYSTEM)
        duties = {one["type"]["coding"][0]["code"]: _licensed(one["valueReference"]) for one in value["input"]}
        outputs = value.get("output", [])
        tubes = [one["valueReference"]["identifier"]["value"] for one in outputs if _system(one) == SPECIMEN_SYSTEM]
        info = OrderState(
            handle,
            value["status"],
            moment_of(value["authoredOn"]),
            moment_of(value["restriction"]["period"]["end"]),
            _licensed(value["requester"]),
            duties["responsible"],
            duties["cover"],
            _licensed(value["owner"]) if "owner" in value else "",
            "".join(tubes),
            value["statusReason"]["coding"][0]["code"] if "statusReason" in value else "",
            tuple(_read_report(one) for one in outputs if _system(one) == REPORT_SYSTEM),
        )
        attentions = {one.attention for one in info.reports}
        if task.type != "Task" or info.status not in _CODES or not attentions <= set(_ATTENTIONS):
            raise ValueError
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise FhirRefused("not-an-order", "the resource is no Task of an order") from error
    return info


def _report(info: ReportInfo) -> dict[str, Any]:
    """That there is a DiagnosticReport, until when somebody is to have seen it, and who has."""
    said: list[tuple[str, str, object]] = [
        ("number", "valuePositiveInt", info.number),
        ("at", "valueInstant", utc(info.at)),
        ("due", "valueInstant", utc(info.due)),
        ("attention", "valueCode", info.attention),
        ("climbed", "valueInstant", utc(info.climbed_at) if info.climbed_at else None),
        ("acknowledged", "valueInstant", utc(info.seen_at) if info.seen_at else None),
        ("acknowledged-by", "valueIdentifier", _licence(info.by)["identifier"] if info.by else None),
    ]
    return {
        "extension": [{"url": f"{REPORT_SYSTEM}-{name}", kind: value} for name, kind, value in said if value is not None],
        "type": _concept(REPORT_SYSTEM, info.status),
        "valueReference": {"type": "DiagnosticReport", "display": f"report {info.number}"},
    }


def _read_report(output: dict[str, Any]) -> ReportInfo:
    said = {one["url"].removeprefix(f"{REPORT_SYSTEM}-"): one for one in output["extension"]}
    status = output["type"]["coding"][0]["code"]
    if status not in STATUSES:
        raise ValueError
    return ReportInfo(
        int(said["number"]["valuePositiveInt"]),
        status,
        moment_of(said["at"]["valueInstant"]),
        moment_of(said["due"]["valueInstant"]),
        said["attention"]["valueCode"],
        moment_of(said["climbed"]["valueInstant"]) if "climbed" in said else 0,
        said["acknowledged-by"]["valueIdentifier"]["value"] if "acknowledged-by" in said else "",
        moment_of(said["acknowledged"]["valueInstant"]) if "acknowledged" in said else 0,
    )


def _specimen(digest: str) -> list[dict[str, Any]]:
    """That a specimen is there, by the hash that the ledger has of it."""
    reference = {"type": "Specimen", "identifier": {"system": SPECIMEN_SYSTEM, "value": digest}}
    return [{"type": _concept(SPECIMEN_SYSTEM, "collected"), "valueReference": reference}] if digest else []


def _system(output: dict[str, Any]) -> str:
    return str(output["type"]["coding"][0]["system"])


def _licence(licence: str) -> dict[str, Any]:
    return {"identifier": {"system": LICENCE_SYSTEM, "value": licence}}


def _licensed(reference: dict[str, Any]) -> str:
    return str(reference["identifier"]["value"])


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
