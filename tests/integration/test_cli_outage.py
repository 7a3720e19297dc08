"""``salus rx supply`` as a pharmacy uses it: its node is stopped, the patient stands there; then the node is served again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from test_guests import code, environment, init, salus


@contextmanager
def served(home: Path, port: str = "0") -> Iterator[str]:
    """The node of ``home``, and its address."""
    serve = ["salus", "serve", "--port", port, "--json"]
    with subprocess.Popen(serve, env=environment(home), stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            document = ""
            while not document.endswith("}\n"):
                document += serving.stdout.readline()
            yield str(json.loads(document)["address"])
        finally:
            serving.terminate()


def said(home: Path, *words: str | Path) -> str:
    """What the command tells people."""
    done = subprocess.run(["salus", *map(str, words)], env=environment(home), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ok(home: Path, *words: str | Path) -> Any:
    """The same as JSON."""
    found = salus(home, *words)
    assert "error" not in found, found
    return found


def prescribed(home: Path, file: Path, drug: str) -> str:
    """A prescription whose code lies in ``file``."""
    made = ok(home, "rx", "issue", "--drug", drug, "--of", "Pat", "--as", "Ada")["prescription"]
    ok(home, "inbox", "--as", "Pat")
    file.write_text(ok(home, "rx", "code", made, "--as", "Pat")["code"])
    return str(made)


def test_a_pharmacy_whose_node_is_stopped_supplies_and_reconciles(tmp_path: Path) -> None:
    """RX-39, RX-41, RX-43: once supplied and dispensed, once supplied and stopped meanwhile."""
    home, shop, card, file, other = (tmp_path / name for name in ("home", "shop", "abel.card", "code.txt", "other.txt"))
    ok(home, "init")
    ok(home, "person", "add", "Ada", "--role", "physician")
    ok(home, "person", "add", "Pat")
    with served(home) as address:
        port = address.rpartition(":")[2]
        assert "error" not in init(shop, (home, address), "--invite", ok(home, "node", "invite")["code"])
        ok(shop, "person", "add", "Abel", "--role", "pharmacist")
        card.write_text(ok(shop, "contact", "show", "Abel")["card"])
        ok(home, "licence", "issue", card, "--role", "pharmacist")
        ok(shop, "inbox", "--as", "Abel")
        mine = prescribed(home, file, "Ibuprofen 400 mg")
        assert code(salus(shop, "rx", "supply", file, "--as", "Abel")) == "agent/not-an-outage"
        ok(shop, "rx", "open", file, "--as", "Abel")
        stopped = prescribed(home, other, "Cetirizine 10 mg")
    told = said(shop, "rx", "supply", mine, "--as", "Abel", "--quantity", "20 tablets")
    assert "It is kept here" in told
    assert "no network" in told
    ok(shop, "rx", "supply", other, "--as", "Abel")
    ok(home, "rx", "stop", stopped, "--as", "Ada", "--text", "no")
    with served(home, port):
        found = said(shop, "inbox", "--as", "Abel")
        assert "SUPPLIED, AND NOT TO BE: Cetirizine 10 mg for Pat" in found
        assert "told: Pat; 1 COULD NOT BE" in found
        assert "URGENT: Abel supplied Cetirizine 10 mg" in said(home, "inbox", "--as", "Pat")
        assert ok(home, "rx", "show", mine, "--as", "Pat")["fills"][0]["status"] == "completed"
        ok(shop, "rx", "acknowledge", stopped, "--as", "Abel")
        assert "NOT TO BE" not in said(shop, "inbox", "--as", "Abel")
