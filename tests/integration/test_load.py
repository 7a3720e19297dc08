"""A node that is asked for more than it can do: what it says, what it keeps, and that nobody starves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from heavy_load import ALLOWED, closed_loop, loaded, open_loop
from salus.node.places import PLACES

MEMORY = 512 * 1024 * 1024  # bytes that a node under load may have for itself


@pytest.mark.slow
def test_a_flooded_node_says_so_and_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """API-90: an open loop far above what the node can do; then its power is gone."""
    with loaded(tmp_path) as served:
        came = asyncio.run(open_loop(served.url, served.mixed, 1_500, 4))
        memory = served.memory()
        served.kill()
        assert set(came.statuses) <= ALLOWED
        assert came.statuses[200] > 0
        assert came.statuses.total() - came.statuses[200] > 0
        assert memory < MEMORY
        assert came.kept
        assert served.lost(came) == 0


@pytest.mark.slow
def test_a_greedy_sponsor_does_not_starve_another(tmp_path: Path) -> None:
    """API-90."""
    with loaded(tmp_path) as served:

        async def both():
            over, left = asyncio.Event(), iter(range(60))
            greedy = asyncio.create_task(
                closed_loop(served.url, lambda: served.transaction(0), 2 * PLACES, lambda: not over.is_set())
            )
            modest = await closed_loop(served.url, lambda: served.transaction(1), 4, lambda: next(left, None) is not None)
            over.set()
            return await greedy, modest

        greedy, modest = asyncio.run(both())
        assert set(greedy.statuses) == {200, 429}
        assert set(modest.statuses) == {200}
        served.kill()
        assert served.lost(greedy) + served.lost(modest) == 0
