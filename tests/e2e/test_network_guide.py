"""The guide to a network of members is followed, command by command, with real engines."""

from __future__ import annotations

import re
import subprocess
from contextlib import ExitStack
from pathlib import Path

from localnet_world import on_comet
from salus.localnet import free_port
from salus.node.comet.binary import find_engine
from started import with_salus

pytestmark = on_comet

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "network.md"
PORT = re.compile(r"\b8[12]0[1-4]\b")


def followed(text: str) -> str:
    """The guide's commands, at ports of this machine that are free."""
    with ExitStack() as held:
        free = {port: str(free_port(held)) for port in sorted(set(PORT.findall(text)))}
    commands = "".join(re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))
    return PORT.sub(lambda match: free[match[0]], commands)


def test_every_command_of_the_guide_to_a_network_works(tmp_path: Path) -> None:
    script = "set -eu\ntrap 'for home in */node; do salus node stop --home ${home%/node} || true; done' EXIT\n" + followed(
        GUIDE.read_text("utf-8")
    )
    environment = with_salus(SALUS_ENGINE=str(find_engine()))
    done = subprocess.run(
        ["bash", "-xc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
