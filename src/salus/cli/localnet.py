"""``salus localnet``: several members on one machine, to look at and to break on purpose."""

from pathlib import Path
from typing import Annotated, Any

import typer

from salus.cli.options import Json
from salus.cli.output import emit, say, table, watched, when

app = typer.Typer(help="A network of several members on this machine, to look at and to break on purpose.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--folder", envvar="SALUS_LOCALNET", help="Where the members' homes are.")]
FOLDER = Path("localnet")
Name = Annotated[str, typer.Argument(help="The member's letter.")]
Names = Annotated[list[str], typer.Argument(metavar="MEMBER...", help="Members' letters.")]
Perhaps = Annotated[
    list[str] | None, typer.Argument(metavar="[MEMBER]...", help="Members' letters; all of them where none is named.")
]


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
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Show it in place, anew every second, until interrupted.")] = False,
    folder: Folder = FOLDER,
    as_json: Json = False,
) -> None:
    """Which members run, where their nodes answer, and how far they are."""
    from salus.localnet import Localnet

    net = Localnet(folder)
    if watch and not as_json:
        watched(lambda: _told(net)[1])
        return
    _show(net, as_json)


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
def cut(members: Names, folder: Folder = FOLDER, as_json: Json = False) -> None:
    """Cut these members off from the others, as by a network that carries nothing; clients of each go on reaching it."""
    from salus.localnet import Localnet

    net = Localnet(folder)
    net.cut(members)
    _show(net, as_json)


@app.command()
def heal(members: Perhaps = None, folder: Folder = FOLDER, as_json: Json = False) -> None:
    """Start members again that were killed, let go on who was paused, make their wires whole, and wait until they answer."""
    from salus.localnet import Localnet

    net = Localnet(folder)
    net.mend(members or ())
    for name in members or [member.name for member in net.members()]:
        net.resume(name)
    net.start(say)
    _show(net, as_json)


def _act(what: str, member: str, folder: Path, as_json: bool) -> None:
    from salus.localnet import Localnet

    net = Localnet(folder)
    getattr(net, what)(member)
    _show(net, as_json)


def _show(net: Any, as_json: bool) -> None:
    value, text = _told(net)
    emit(as_json, value, text)


def _told(net: Any) -> tuple[dict[str, Any], str]:
    """How the members are: for machines, and for people."""
    seen = [net.seen(member) for member in net.members()]
    value = {
        "folder": str(net.folder),
        "genesis": str(net.home(seen[0].member) / "genesis.bin"),
        "wires": net.wires(),
        "members": [
            {
                "member": one.member.name,
                "home": str(net.home(one.member)),
                "address": one.member.url,
                "state": one.state,
                "height": one.height,
                "time": one.time,
                "peers": one.peers,
                "lacking": one.lacking,
                "cut_off": list(one.cut_off),
            }
            for one in seen
        ],
    }
    titles = ("member", "state", "block", "time", "peers", "blobs lacking", "cut off from", "address", "home")
    rows = [
        (
            one.member.name,
            one.state,
            *("" if figure is None else figure for figure in (one.height, one.time and when(one.time), one.peers, one.lacking)),
            " ".join(one.cut_off),
            one.member.url,
            net.home(one.member),
        )
        for one in seen
    ]
    text = table(titles, rows, "no members")
    if value["wires"] == "down" and any(one.state != "down" for one in seen):
        text += "\nwhat carries between them does not run, so nobody reaches anybody: salus localnet up"
    return value, text
