"""Fixtures for the worlds that tests share; every agent test runs in process and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from world import World, thread


@pytest.fixture(params=["in-process", "http"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A patient with a record, two licensed physicians; the node in process, or behind a socket."""
    with thread(tmp_path / "home", http=request.param == "http") as made:
        yield made
