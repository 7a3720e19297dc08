"""Every patient of the shared Synthea data, each into a wallet of its own: what comes back is what went in."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from salus.agent.services import charting, proving
from world import PATIENT, Clock, opened

PACKAGED = Path(__file__).parents[2] / "src" / "salus" / "demo" / "patients"
SHARED = Path(__file__).parents[3] / "shared" / "data"


def patients() -> list[Path]:
    return sorted(PACKAGED.glob("*.json")) + sorted(path for path in SHARED.rglob("*.json") if is_patient(path))


def is_patient(path: Path) -> bool:
    with path.open("rb") as file:
        return b'"Bundle"' in file.read(200)


def written(data: bytes) -> list[dict[str, Any]]:
    """The resources, with each number as it was written."""
    bundle = json.loads(data, parse_float=lambda text: ("number", text), parse_int=lambda text: ("number", text))
    return [entry["resource"] for entry in bundle["entry"]]


def key(resource: dict[str, Any]) -> tuple[str, str]:
    return resource["resourceType"], resource["id"]


def test_the_shared_patients_are_there() -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared Synthea data is not on this machine; the packaged patient was tested")
    assert len([path for path in SHARED.rglob("*.json") if is_patient(path)]) >= 8


@pytest.mark.parametrize("path", patients(), ids=lambda path: path.stem)
def test_the_chart_gives_back_the_record(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    source = written(data)
    with opened(tmp_path / "home", Clock()) as world:
        world.person(PATIENT)
        report = world.take_in(data)
        assert report.new == len(source)
        chart = charting.open_chart(world.agent, PATIENT, PATIENT)
        assert not chart.unread
        found = written(charting.chart_bundle(chart))
        assert Counter(map(key, found)) == Counter(map(key, source))
        trees = {key(resource): resource for resource in found}
        assert all(trees[key(resource)] == resource for resource in source)
        assert proving.verify_own(world.agent, PATIENT).troubles == ()
        assert charting.chart_text(chart)
