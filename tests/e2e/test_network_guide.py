"""The guide to a network of members is followed, command by command, with real engines."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from test_network import ROOT, engine

GUIDE = ROOT / "docs" / "guides" / "network.md"
PORT = re.compile(r"\b8[12]0[1-4]\b")


def followed(text: str) -> str:
    """The guide's commands, at ports of this machine that are free."""
    with ExitStack() as held:
        free: dict[str, str] = {}
        for port in sorted(set(PORT.findall(text))):
            listener = held.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            free[port] = str(listener.getsockname()[1])
    commands = "".join(re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))
    return PORT.sub(lambda match: free[match[0]], commands)


@pytest.mark.slow
@pytest.mark.skipif(engine() is None, reason="CometBFT is not built: `make engine` (needs Go)")
def test_every_command_of_the_guide_to_a_network_works(tmp_path: Path) -> None:
    script = "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n" + followed(GUIDE.read_text("utf-8"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    binary = engine()
    environment = {**os.environ, "PATH": path, "SALUS_ENGINE": str(binary)}
    environment.pop("SALUS_HOME", None)
    done = subprocess.run(
        ["bash", "-xc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
