"""``salus rx supply`` as a pharmacy uses it: its node is stopped, the patient stands there; then the node is served again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def prescribed(home: Path, file: Path, drug: str) -> str:
    """A prescription whose code lies in ``file``."""
    made = salus(home, "rx", "issue", "--drug", drug, "--of", "Pat", "--as", "Ada")["prescription"]
    salus(home, "inbox", "--as", "Pat")
    file.write_text(salus(home, "rx", "code", made, "--as", "Pat")["code"])
    return str(made)


def test_a_pharmacy_whose_node_is_stopped_supplies_and_reconciles(tmp_path: Path) -> None:
    """RX-39, RX-41, RX-43: once supplied and dispensed, once supplied and stopped meanwhile."""
    home, shop, card, file, other = (tmp_path / name for name in ("home", "shop", "abel.card", "code.txt", "other.txt"))
    salus(home, "init")
    salus(home, "person", "add", "Ada", "--role", "physician")
    salus(home, "person", "add", "Pat")
    with served(home) as address:
        port = address.rpartition(":")[2]
        init(shop, (home, address), "--invite", salus(home, "node", "invite")["invitation"])
        salus(shop, "person", "add", "Abel", "--role", "pharmacist")
        salus(shop, "person", "card", "Abel", "--out", card)
        salus(home, "contact", "add", card)
        salus(home, "licence", "issue", "Abel", "--role", "pharmacist")
        salus(shop, "inbox", "--as", "Abel")
        seen, mine = (prescribed(home, file, drug) for drug in ("Loratadine 10 mg", "Ibuprofen 400 mg"))
        assert code(salus(shop, "rx", "supply", file, "--as", "Abel")) == "agent/not-an-outage"
        salus(shop, "rx", "open", file, "--as", "Abel")
        stopped = prescribed(home, other, "Cetirizine 10 mg")
    assert code(salus(shop, "rx", "open", file, "--as", "Abel")) == "agent/node-unreachable"
    told = said(shop, "rx", "supply", mine, "--as", "Abel", "--quantity", "20 tablets")
    assert "It is kept here" in told
    assert "unredeemed: NOT DONE: no network" in told or "no network" in told
    salus(shop, "rx", "supply", other, "--as", "Abel")
    salus(home, "rx", "stop", stopped, "--as", "Ada", "--text", "no")
    with served(home, port):
        found = said(shop, "inbox", "--as", "Abel")
        assert "SUPPLIED, AND NOT TO BE: Cetirizine 10 mg for Pat" in found
        assert "URGENT: Abel supplied Cetirizine 10 mg" in said(home, "inbox", "--as", "Ada")
        assert salus(home, "rx", "show", mine, "--as", "Pat")["fills"][0]["status"] == "completed"
        assert salus(home, "rx", "show", seen, "--as", "Pat")["fills"][0]["status"] == "ready"
        salus(shop, "rx", "acknowledge", stopped, "--as", "Abel")
        assert "NOT TO BE" not in said(shop, "inbox", "--as", "Abel")
