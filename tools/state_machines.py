"""Draw the tables of the workflows on the ledger anew: ``docs/state-machines/``. A test finds what has drifted."""

from __future__ import annotations

from pathlib import Path

from salus.ledger.modules.orders.state import ATTENTION, Attention, OrderStatus
from salus.ledger.modules.orders.state import TABLE as ORDERS
from salus.ledger.modules.prescriptions.state import TABLE as PRESCRIPTIONS
from salus.ledger.modules.prescriptions.state import FillStatus
from salus.ledger.modules.scheduling.state import TABLE as SCHEDULING
from salus.ledger.modules.scheduling.state import AppointmentStatus
from salus.ledger.workflow import diagram

FOLDER = Path(__file__).parents[1] / "docs" / "state-machines"

#: file, heading, what it is of, the diagram
PAGES = (
    (
        "prescriptions.md",
        "A fill of a prescription",
        "One package, part or repeat: [spec/prescriptions.md](../../spec/prescriptions.md).",
        diagram(PRESCRIPTIONS, {"IssuePrescription": FillStatus.READY}),
    ),
    (
        "scheduling.md",
        "An appointment",
        "Of one patient, in one slot or several: [spec/scheduling.md](../../spec/scheduling.md).",
        diagram(
            SCHEDULING,
            {
                "HoldSlots": AppointmentStatus.PENDING,
                "TakeSlots": AppointmentStatus.BOOKED,
                "JoinWaiting": AppointmentStatus.WAITLIST,
            },
        ),
    ),
    (
        "orders.md",
        "An order",
        "A test that a laboratory does: [spec/orders.md](../../spec/orders.md).",
        diagram(ORDERS, {"PlaceOrder": OrderStatus.REQUESTED}),
    ),
    (
        "reports.md",
        "The attention that a report has",
        "Until a person has seen it: [spec/orders.md](../../spec/orders.md).",
        diagram(ATTENTION, {"ReportResult": Attention.AWAITED, "ReportResult after what climbed": Attention.CLIMBED}),
    ),
)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, heading, of, drawn in PAGES:
        (FOLDER / name).write_text(f"# {heading}\n\n{of}\n\n```mermaid\n{drawn}\n```\n", "utf-8")


if __name__ == "__main__":
    main()
