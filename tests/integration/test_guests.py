"""Guests on the command line: an operator invites while the node is served, somebody elsewhere comes, and is shown the door."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from salus.crypto.signing import SigningKey
from salus.errors import SalusError
from salus.exchange.client import NodeClient
from salus.exchange.posting import sign_claim
from started import with_salus


def environment(home: Path) -> dict[str, str]:
    return with_salus(SALUS_HOME=str(home))


def salus(home: Path, *words: str | Path) -> Any:
    """What the command prints as JSON; an error document where it is refused."""
    done = subprocess.run(["salus", *map(str, words), "--json"], env=environment(home), capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert ("error" in found) == (done.returncode != 0), done.stderr
    return found


def code(found: Any) -> str:
    return str(found["error"]["code"])


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A member's home whose node is served, and its address."""
    home = tmp_path_factory.mktemp("member") / "home"
    salus(home, "init")
    with subprocess.Popen(["salus", "serve", "--json"], env=environment(home), stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            document = ""
            while not document.endswith("}\n"):
                document += serving.stdout.readline()
            yield home, json.loads(document)["address"]
        finally:
            serving.terminate()


def init(home: Path, node: tuple[Path, str], *words: str | Path) -> Any:
    return salus(home, "init", "--node", node[1], "--genesis", node[0] / "genesis.bin", *words)


def test_commands_on_the_nodes_own_home_need_no_invitation_while_it_is_served(node: tuple[Path, str]) -> None:
    """CLI-6, GUE-3."""
    home, address = node
    assert salus(home, "person", "add", "Ben")["name"] == "Ben"
    note = home / "node" / "port"
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert note.read_text().split()[0] == address
    stranger = NodeClient(address)
    status = stranger.status()
    with pytest.raises(SalusError) as refused:
        stranger.open_mailbox(sign_claim(SigningKey(bytes(32)), status.network, status.member, bytes(16), 1))
    stranger.close()
    assert refused.value.full_code == "node/not-invited"


def test_a_home_comes_by_invitation_and_is_shown_the_door(node: tuple[Path, str], tmp_path: Path) -> None:
    """CLI-22, CLI-23."""
    home, _ = node
    made = salus(home, "node", "invite", "--for", "7d", "--uses", "2", "--actions", "50")
    assert (made["uses"], made["actions"]) == (2, 50)
    (tmp_path / "invitation").write_text(made["code"] + "\n")
    assert init(tmp_path / "ana", node, "--invite", tmp_path / "invitation")["member"] == ""
    init(tmp_path / "eve", node, "--invite", made["code"])
    assert code(init(tmp_path / "late", node, "--invite", made["code"])) == "node/invite-used"
    assert salus(tmp_path / "ana", "person", "add", "Ana")["name"] == "Ana"
    listed = salus(home, "node", "guests")
    assert sorted(row["used_today"] for row in listed["guests"]) == [0, 1]
    assert listed["invitations"] == []
    assert "Ana" not in json.dumps(listed)
    (ana,) = [row["guest"] for row in listed["guests"] if row["used_today"]]
    assert salus(home, "node", "guests", "--remove", ana[:8])["ended"] == ana
    assert code(salus(tmp_path / "ana", "person", "add", "Zoe")) == "node/invite-expired"
    assert code(salus(home, "node", "guests", "--remove", "ffff")) == "node/no-such-guest"
    assert code(salus(home, "node", "guests", "--remove", "")) == "node/no-such-guest"


def test_a_home_without_an_invitation_gets_one_later(node: tuple[Path, str], tmp_path: Path) -> None:
    """CLI-22."""
    home, address = node
    init(tmp_path / "ana", node)
    assert code(salus(tmp_path / "ana", "person", "add", "Ana")) == "node/not-invited"
    invited = salus(home, "node", "invite")["code"]
    assert salus(tmp_path / "ana", "person", "move", "--to", address, "--invite", invited) == {"node": address}
    assert salus(tmp_path / "ana", "person", "add", "Ana")["name"] == "Ana"
    assert code(salus(tmp_path / "ana", "node", "invite")) == "agent/no-node"


def test_what_is_no_invitation_is_refused(node: tuple[Path, str], tmp_path: Path) -> None:
    """CLI-22."""
    (tmp_path / "text").write_bytes(b"\xffsalus-invite-1:")
    assert code(init(tmp_path / "a", node, "--invite", tmp_path / "text")) == "agent/bad-invitation"
    assert code(init(tmp_path / "a", node, "--invite", "salus-invite-1:AAAA")) == "agent/bad-invitation"
    assert code(init(tmp_path / "a", node, "--invite", tmp_path / "nothing")) == "cli/no-such-file"
    assert code(salus(tmp_path / "a", "init", "--invite", "salus-invite-1:AAAA")) == "cli/usage"
    assert code(salus(node[0], "node", "invite", "--for", "0d")) == "cli/bad-duration"
    assert code(salus(node[0], "node", "invite", "--uses", "0")) == "cli/usage"
