"""``salus localnet``: several members on one machine, to look at and to break on purpose."""

from pathlib import Path
from typing import Annotated, Any

import typer

from salus.cli.options import Json
from salus.cli.output import emit, say, table, when

app = typer.Typer(help="A network of several members on this machine, to look at and to break on purpose.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--folder", envvar="SALUS_LOCALNET", help="Where the members' homes are.")]
FOLDER = Path("localnet")
Name = Annotated[str, typer.Argument(help="The member's letter.")]


@app.command()
def up(
    members: Annotated[int, typer.Option(min=1, max=16, help="How many members a new network has.")] = 4,
    folder: Folder = FOLDER,
    as_json: Json = False,
) -> None:
    """Found a network in the folder, unless there is one, and start every member that does not run."""
    from salus.localnet import Localnet

    net = Localnet(folder)
    if not (folder / "localnet.json").exists():
        say(f"founding a network of {members} members")
        net.make(members)
    net.start(say)
    _show(net, as_json)


@app.command()
def down(folder: Folder = FOLDER, as_json: Json = False) -> None:
    """Stop every member in order; what they keep stays."""
    from salus.localnet import Localnet

    net = Localnet(folder)
    net.stop()
    _show(net, as_json)


@app.command()
def status(folder: Folder = FOLDER, as_json: Json = False) -> None:
    """Which members run, where their nodes answer, and how far they are."""
    from salus.localnet import Localnet

    _show(Localnet(folder), as_json)


@app.command()
def kill(member: Name, folder: Folder = FOLDER, as_json: Json = False) -> None:
    """Cut a member's power: its node and engine end at once."""
    _act("kill", member, folder, as_json)


@app.command()
def pause(member: Name, folder: Folder = FOLDER, as_json: Json = False) -> None:
    """Let a member stand still, with all its connections open."""
    _act("pause", member, folder, as_json)


@app.command()
def resume(member: Name, folder: Folder = FOLDER, as_json: Json = False) -> None:
    """Let a paused member go on."""
    _act("resume", member, folder, as_json)


@app.command()
def heal(member: Name, folder: Folder = FOLDER, as_json: Json = False) -> None:
    """Start a member again that was killed, let it go on if it was paused, and wait until it answers."""
    from salus.localnet import Localnet

    net = Localnet(folder)
    net.resume(member)
    net.start(say)
    _show(net, as_json)


def _act(what: str, member: str, folder: Path, as_json: bool) -> None:
    from salus.localnet import Localnet

    net = Localnet(folder)
    getattr(net, what)(member)
    _show(net, as_json)


def _show(net: Any, as_json: bool) -> None:
    seen = [net.seen(member) for member in net.members()]
    value = {
        "folder": str(net.folder),
        "genesis": str(net.home(seen[0].member) / "genesis.bin"),
        "members": [
            {
                "member": one.member.name,
                "home": str(net.home(one.member)),
                "address": one.member.url,
                "state": one.state,
                "height": one.height,
                "time": one.time,
            }
            for one in seen
        ],
    }
    rows = [
        (one.member.name, one.state, one.height or "", when(one.time) if one.time else "", one.member.url, net.home(one.member))
        for one in seen
    ]
    emit(as_json, value, table(("member", "state", "block", "time", "address", "home"), rows, "no members"))
