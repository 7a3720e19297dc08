"""``salus init``, ``serve``, ``demo`` and ``node``: the network's side of a home."""

import io
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from salus.cli.options import HOME, Home, Json, read_input, write_output
from salus.cli.output import emit, table, watched, when
from salus.errors import Misused, NodeRefused

group = typer.Typer(help="The node of this home.", no_args_is_help=True)


def init(
    member: Annotated[str, typer.Option(help="What the member is called.")] = "Practice",
    node: Annotated[
        list[str] | None, typer.Option(help="Use this node instead of one of your own: its address (may be repeated).")
    ] = None,
    genesis_file: Annotated[str | None, typer.Option("--genesis", help="The genesis file of the network, with --node.")] = None,
    validates: Annotated[
        bool, typer.Option("--validates", help="Order blocks together with all others of --with that do; needs CometBFT.")
    ] = False,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", help="Another member from the start: the file that `salus node prepare` made (may be repeated)."),
    ] = None,
    parameters: Annotated[
        str, typer.Option(help="For a new network: a TOML file of rules that differ from the usual ones, such as time_lock (ms).")
    ] = "",
    invite: Annotated[
        list[str] | None, typer.Option("--invite", help="An invitation, or a file that holds one, with --node (may be repeated).")
    ] = None,
    with_passphrase: Annotated[
        bool, typer.Option("--with-passphrase", help="Lock the agent's store with a passphrase (prompt, or --passphrase-file).")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Make an embedded network of one member in the home folder; or, with --node, a home on somebody else's node."""
    from salus.cli.invites import read_invite
    from salus.cli.session import new_passphrase
    from salus.exchange.founding import member_from_text
    from salus.homes import init_guest, init_home, read_parameters
    from salus.ledger.genesis import Parameters, network_id

    if bool(node) != bool(genesis_file) or (invite and not node):
        raise Misused("usage", "--node goes with --genesis, and --invite with both")
    if node and genesis_file:
        invitations = [read_invite(each) for each in invite or ()]
        made = init_guest(home, node, read_input(genesis_file), new_passphrase() if with_passphrase else None, invitations)
        shown = {"home": str(home), "network": network_id(made).hex(), "genesis": str(home / "genesis.bin"), "member": ""}
        text = f"A home in {home} that uses {', '.join(node)} and trusts its own copy of the genesis file alone."
        emit(as_json, shown, text)
        return
    others = [member_from_text(read_input(file)) for file in with_ or ()]
    rules = read_parameters(read_input(parameters)) if parameters else Parameters()
    locked = new_passphrase() if with_passphrase else None
    genesis = init_home(home, locked, member, others, validating=validates, rules=rules)
    value = {"home": str(home), "network": network_id(genesis).hex(), "genesis": str(home / "genesis.bin"), "member": member}
    size = "one member" if not others else f"{1 + len(others)} members"
    text = f"A network of {size}, founded by {member}, is in {home}."
    text += f"\nGenesis: {home / 'genesis.bin'} (give it to whoever is to verify)."
    emit(as_json, value, f"{text}\nThe member's cold seed is in {home / 'cold'}: move it to a safe place away from this machine.")


@group.command()
def prepare(
    member: Annotated[str, typer.Option(help="What the member is called.")],
    out: Annotated[Path, typer.Option(help="The new file for whoever founds the network.")],
    validates: Annotated[bool, typer.Option("--validates", help="This member is to order blocks together with others.")] = False,
    with_passphrase: Annotated[bool, typer.Option("--with-passphrase", help="Lock the agent's store with a passphrase.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Make a member's keys before there is a network; the file holds no secret and goes to the founder."""
    from salus.cli.session import new_passphrase
    from salus.exchange.founding import member_to_text
    from salus.homes import own_peer, prepare_home
    from salus.ledger.genesis import member_id

    made = prepare_home(home, new_passphrase() if with_passphrase else None, member, validating=validates)
    write_output(out, member_to_text(made).encode("ascii"))
    value = {"home": str(home), "member": member_id(made.authority).hex(), "peer": own_peer(home), "file": str(out)}
    text = f"{out} names {member} for the founder (salus init --with). Then: salus node join"
    if validates:
        text += f'\nOther members\' config.toml name this one:\n  {value["member"]} = "{value["peer"]}@HOST:PORT"'
    emit(as_json, value, text)


@group.command()
def join(
    genesis_file: Annotated[str, typer.Option("--genesis", help="The genesis file that the founder made.")] = "",
    node: Annotated[str, typer.Option(help="Where the node answers that orders blocks: its address.")] = "",
    config: Annotated[
        str, typer.Option(help="Where members order together: this node's config.toml, which says how the others are reached.")
    ] = "",
    address: Annotated[str, typer.Option(help="Where other members' nodes reach this one; where it listens, if not said.")] = "",
    way_in: Annotated[str, typer.Option("--way-in", help="For a member admitted later: the file of salus members welcome.")] = "",
    listen: Annotated[str, typer.Option(help="With --way-in: where this member's engine is reached, as host:port.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --way-in: the port of the node.")] = 0,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Complete a member's home that was prepared: its node follows the network from here on."""
    from salus.cli.session import passphrase
    from salus.exchange.founding import way_in_from_text
    from salus.homes import complete_home, enter_home, join_home
    from salus.ledger.genesis import network_id

    ways = [bool(node), bool(config), bool(way_in)]
    if sum(ways) != 1 or (config and address) or bool(way_in) == bool(genesis_file) or bool(way_in) != bool(listen):
        raise Misused("usage", "--genesis with --node or --config; or --way-in with --listen")
    if way_in:
        found = enter_home(home, way_in_from_text(read_input(way_in)), listen, address, port, passphrase)
    elif config:
        found = complete_home(home, read_input(genesis_file), read_input(config), passphrase)
    else:
        found = join_home(home, read_input(genesis_file), node, address, passphrase)
    value = {"home": str(home), "network": network_id(found).hex(), "node": node, "members": len(found.members)}
    text = f"This node is one of {len(found.members)} members'. Serve it: salus serve"
    emit(as_json, value, f"{text}\nThe member's cold seed is in {home / 'cold'}: move it to a safe place away from this machine.")


def serve(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port; a free one when 0 or not configured.")] = None,
    node_only: Annotated[bool, typer.Option("--node-only", help="Never open the agent's part of the home.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Serve the node's API, and send what becomes due, until interrupted; other commands on this home go on working."""
    from salus import serving
    from salus.bootstrap import open_home
    from salus.cli.session import passphrase
    from salus.home_folder import read_genesis
    from salus.ledger.genesis import validators

    ask = None if node_only else cache(passphrase)  # asked for once
    if ask and not validators(read_genesis(home)):
        with open_home(home, ask):
            pass  # opening a home completes what an earlier command left unfinished

    def ready(address: str) -> None:
        emit(as_json, {"address": address}, f"The node answers at {address} (stop with Ctrl-C)")

    serving.serve(home, port, ready, ask)


def demo(
    home: Annotated[Path | None, typer.Option("--home", help="Keep the story's home in this new folder, to look around.")] = None,
    as_json: Json = False,
) -> None:
    """Play a patient's story on the real system and check every claim that it makes."""
    from rich.console import Console

    from salus.demo.stage import Stage
    from salus.demo.story import play

    stage = Stage(Console(file=io.StringIO())) if as_json else Stage()
    play(stage, home)
    if as_json:
        emit(True, {"claims": stage.claims, "scenes": stage.scenes}, "")


@group.command()
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Show it in place, anew every second, until interrupted.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """What the node says of itself, and counts while it is served."""
    if watch and not as_json:
        watched(lambda: _told(_status(home)))
        return
    value = _status(home)
    emit(as_json, value, _told(value))


def _status(home: Path) -> dict[str, Any]:
    from salus.bootstrap import joined, served_figures
    from salus.own_node import told_address

    with joined(home) as network:
        found = network.status()
    address = told_address(home) if (home / "node" / "node.key").exists() else ""
    named = {
        "address": address,
        "network": found.network.hex(),
        "member": found.member.hex(),
        "height": found.height,
        "time": found.time,
    }
    return {**named, "version": found.version, "base": found.base, "figures": served_figures(home)}


def _told(value: dict[str, Any]) -> str:
    """The status in lines; of what only a served node counts, what is there."""
    lines = [f"{name:8}{value[name]}" for name in ("network", "member", "version")]
    lines.append(f"block   {value['height']}, {when(value['time'])}")
    lines.append(f"keeps   blocks from {value['base'] + 1} on" if value["base"] else "keeps   all blocks")
    lines += [f"address {value['address']}"] if value["address"] else []
    found = value["figures"]
    if found.get("salus_engine_up") == 0:
        lines.append("engine  does not answer")
    elif found.get("salus_engine_up"):
        pace = "fetches what others have" if found["salus_engine_catching_up"] else f"{found['salus_engine_waiting']:.0f} wait"
        lines.append(
            f"engine  {pace}, {found['salus_engine_peers']:.0f} peers, its vote weighs {found['salus_engine_power']:.0f}, "
            f"begun again {found['salus_restarts_total']:.0f} times"
        )
    if found:
        lines.append(
            f"vault   {found['salus_blobs']:.0f} sealed blobs, {found['salus_blob_bytes'] / 1e6:.1f} MB; "
            f"{found['salus_blobs_lacking']:.0f} are lacking, {found['salus_blobs_surplus']:.0f} are others' to keep"
        )
        lines.append(f"letters {found['salus_letters']:.0f}")
        lines.append(
            f"machine {found['salus_disk_free_bytes'] / 1e9:.1f} GB of disk free, "
            f"{found.get('salus_process_resident_memory_bytes', 0) / 1e6:.0f} MB of memory in use"
        )
    return "\n".join(lines)


@group.command()
def blocks(
    last: Annotated[int, typer.Option(min=1, max=1000, help="How many of the newest blocks.")] = 10,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """The newest blocks' headers, each checked against genesis."""
    from salus.agent.nodes import PRUNED
    from salus.bootstrap import joined
    from salus.ledger.genesis import validators
    from salus.ledger.header import header_hash
    from salus.ledger.trusting import followed, led, require_named, trusted_from, trusting

    with joined(home) as network:
        genesis, newest = network.genesis(), network.header(None).header.height
        base = network.status().base
        oldest = max(base + 1 if validators(genesis) else 0, newest - last + 1)
        headers = [network.header(height) for height in range(oldest, newest + 1)]
        try:
            trusted, _ = led(genesis, trusted_from(genesis), headers[0], network.header)
        except NodeRefused as refused:  # the way from genesis was let go of: what stands is held against those whom it names
            if refused.full_code != PRUNED:
                raise
            require_named(genesis, headers[0])
            trusted = trusting(headers[0])
    for signed in headers[1:]:
        trusted = followed(genesis, trusted, signed)
    rows = [
        {
            "height": signed.header.height,
            "time": signed.header.time,
            "hash": header_hash(signed.header).hex(),
            "state": signed.header.state.hex(),
            "transactions": signed.header.transactions.hex(),
            "member": signed.header.proposer.hex(),
        }
        for signed in headers
    ]
    shown = [(row["height"], when(int(str(row["time"]))), row["hash"]) for row in rows]
    emit(as_json, {"blocks": rows}, table(("block", "time", "hash"), shown, "no blocks"))


COMMANDS = (init, serve, demo)
