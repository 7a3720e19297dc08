"""``salus node start``, ``stop``, ``logs``, ``upgrade`` and ``leave``: a node's life, from its first day to its last."""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from salus.cli.options import HOME, Home, Json, read_input
from salus.cli.output import emit, emit_line, rfc3339, when
from salus.errors import NodeRefused


def start(home: Home = HOME, as_json: Json = False) -> None:
    """Serve the node in the background, with its engine; says where it answers. What it says goes to a log (`logs`)."""
    from salus import background
    from salus.home_folder import read_genesis, require_own_node

    require_own_node(home)
    read_genesis(home)
    address = background.start(home, ["--node-only"])
    emit(as_json, {"address": address, "pid": background.running(home)}, f"The node answers at {address}")


def stop(home: Home = HOME, as_json: Json = False) -> None:
    """End the node that `start` began, and its engine, in order."""
    from salus import background

    background.stop(home)
    emit(as_json, {"stopped": True}, "The node has ended.")


def logs(
    engine: Annotated[bool, typer.Option("--engine", help="What the engine says, in place of the node.")] = False,
    last: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """The newest lines of the log of a node that was started in the background, or of its engine."""
    from salus.background import LOG, lines

    log = home / "node" / "comet" / "engine.log" if engine else home / LOG
    with suppress(KeyboardInterrupt):
        for line in lines(log, last, follow=follow):
            emit_line(as_json, {"line": line}, line)


def upgrade(home: Home = HOME, as_json: Json = False) -> None:
    """By which rules the network goes, or will go, and whether this software knows them; ends with 1 where it does not."""
    from salus.node.operating.departing import rules

    found = rules(home / "node")
    value = {"rules": found.version, "begin": found.begins, "height": found.height, "known": found.known}
    if found.version > found.known:
        there = "hold already" if found.height >= found.begins - 1 else f"begin in {found.begins - found.height} blocks"
        raise NodeRefused(
            "upgrade-due", f"rules of version {found.version} {there}, and this software knows {found.known}: install a newer one"
        )
    coming = f", from block {found.begins} on" if found.begins > found.height else ""
    emit(as_json, value, f"The network goes by rules of version {found.version}{coming}; this software knows them.")


def leave(
    document: Annotated[str, typer.Option(help="A file that explains it: the ledger has its SHA-256 alone.")] = "",
    guests_know: Annotated[
        bool, typer.Option("--guests-know", help="Those whom this node serves know that they must move.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Have this member leave: proposed to all, then how far it is, and in the end whether the node may be switched off."""
    from salus.home_folder import read_genesis
    from salus.node.operating.departing import departure

    genesis = read_genesis(home)
    found = departure(home / "node", genesis)
    if not found.removed and found.proposal is None:
        _propose_leaving(home, found.member, document, guests_know=guests_know)
        found = departure(home / "node", genesis)
    one = found.proposal
    value = {
        "member": found.member.hex(),
        "left": found.removed,
        "proposal": found.number or None,
        "stage": one.stage.value if one else None,
        "until": rfc3339(one.until) if one else None,
        "effect": rfc3339(one.effect) if one else None,
        "held": found.held,
    }
    if one is not None:
        votes = f"{len(one.yes)} for it, {len(one.no)} against"
        due = f"it has its effect {when(one.effect)}" if one.effect else f"the others vote until {when(one.until)}"
        text = f"Proposal {found.number} asks that this member leaves: {votes}; {due}.\nKeep the node served."
    elif found.held:
        text = f"This member has left. {found.held} sealed blobs are here that others do not keep yet: keep the node served."
    elif found.removed:
        text = "This member has left, and others keep all that was sealed here: the node may be switched off."
    else:
        text = "It was proposed that this member leaves; look again in a moment."
    emit(as_json, value, text)


def _propose_leaving(home: Path, member: bytes, document: str, *, guests_know: bool) -> None:
    """Refuses where somebody would be left behind unawares: ``guests-remain``."""
    from salus.agent.services.governing import propose
    from salus.cli.session import session
    from salus.home_folder import clock
    from salus.ledger.modules.governance.messages import RemoveMember
    from salus.own_node import guest_book

    explained = sha256(read_input(document)).digest() if document else bytes(32)
    with guest_book(home) as book:
        served = sum(guest.until > clock() for _, guest in book.guests())
    if served and not guests_know:
        raise NodeRefused(
            "guests-remain",
            f"{served} homes use this node: have them move (salus person move), or say --guests-know",
        )
    with session(home) as agent:
        propose(agent, RemoveMember(member), explained)


COMMANDS = (start, stop, logs, upgrade, leave)
