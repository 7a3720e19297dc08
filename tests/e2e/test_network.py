"""Members on real CometBFT: four of them as processes of their own, while one after the other is killed or stands still.

A new key, a lost disk and a damaged ledger (NET-17, NET-18) are in the guide to a network, which is followed beside this one; the
story of a validator, which tells the same at length, runs by `make members`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from localnet_world import on_comet

ROOT = Path(__file__).parents[2]


pytestmark = on_comet


@pytest.mark.parametrize(
    "story",
    [
        "network",  # NET-1, NET-3, NET-9, NET-10: nothing acknowledged is lost, nobody's blocks part, whoever is killed
        "members",  # GOV-4, GOV-7, GOV-9, GOV-10, GOV-13, NET-14, NET-15: a fifth member comes by votes, and goes
    ],
)
def test_members_tell_the_story_on_real_engines(story: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run([f"examples/{story}.sh"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "each as expected" in done.stdout
