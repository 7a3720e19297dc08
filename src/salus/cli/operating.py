"""``salus node check``, ``scrub``, ``backup`` and ``restore``: what an operator does, also while the node is served."""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from salus.cli.options import HOME, Home, Json
from salus.cli.output import emit
from salus.errors import NodeRefused


def check(
    last: Annotated[int | None, typer.Option(min=1, help="How many of the newest headers; all when not given.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Look at everything that can be looked at without changing anything; a line a finding."""
    from salus.bootstrap import clock, read_genesis, settle
    from salus.node.operating.checking import check

    genesis = read_genesis(home)
    settle(home)
    _report(as_json, check(home, genesis, clock(), last), {})


def scrub(
    delete_orphans: Annotated[
        bool, typer.Option("--delete-orphans", help="Delete blobs that nothing anchors; the node must not be served.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Read every blob, and replay every block from genesis."""
    from salus.bootstrap import held_node, read_genesis, settle
    from salus.cli.session import progress
    from salus.node.operating.partials import storage_refusals
    from salus.node.operating.scrubbing import scrub

    genesis = read_genesis(home)
    settle(home)
    with storage_refusals(), held_node(home) if delete_orphans else nullcontext(), progress() as told:
        found = scrub(home, genesis, told, delete_orphans=delete_orphans)
    numbers = {"height": found.height, "blobs": found.blobs, "deleted": found.deleted}
    named = {"damaged": found.damaged, "missing": found.missing, "orphaned": found.orphaned}
    lines = [f"{kind:9}{blob.hex()}" for kind, blobs in named.items() for blob in blobs]
    lines += [f"deleted {found.deleted} orphans"] if found.deleted else []
    value = {**numbers, **{kind: [blob.hex() for blob in blobs] for kind, blobs in named.items()}}
    _report(as_json, found.findings, value, lines)


def backup(
    out: Annotated[Path, typer.Option(help="A new folder, a new file NAME.tar, or a folder in which a new one is made.")],
    with_key: Annotated[
        bool, typer.Option("--with-key", help="Put node.key in as well: whoever has such a backup can speak for the member.")
    ] = False,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Leave out sealed entries that the node has lost, instead of refusing.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Copy the node, while it is served or not."""
    from salus.bootstrap import clock, read_genesis, settle
    from salus.cli.session import progress
    from salus.node.operating.backup import back_up

    genesis = read_genesis(home)
    settle(home)
    with progress() as told:
        made = back_up(home, genesis, out, clock(), told, with_key=with_key, incomplete=incomplete)
    table = made.manifest
    value = {
        "backup": str(made.place),
        "network": table.network,
        "height": table.height,
        "header": table.header,
        "files": len(table.files),
        "bytes": made.size,
        "lost": made.lost,
        "key": with_key,
    }
    text = f"{made.place}: {len(table.files)} files, {made.size} bytes, up to block {table.height}."
    text += f"\nThe node had lost {made.lost} sealed entries; they are not in it." if made.lost else ""
    key = "The node's key is in it: guard it." if with_key else "The node's key is not in it: keep a copy of node.key apart."
    emit(as_json, value, f"{text}\n{key}")


def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="The folder or file that `backup` made.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move what the node has aside, to node.replaced-N, and restore everything.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Put back what the node lacks, after everything in the backup was verified."""
    from salus.bootstrap import restore_node
    from salus.cli.session import passphrase, progress

    with progress() as told:
        done = restore_node(home, backup, passphrase, told, replace=replace)
    key = (home / "node" / "node.key").exists()
    value = {**asdict(done), "parts": list(done.parts), "key": key}
    lines = [f"Restored: {', '.join([*done.parts, f'{done.blobs} blobs'])}. The ledger ends with block {done.height}."]
    lines += [f"{done.missing} blobs are in neither place: `salus node scrub` names them."] if done.missing else []
    lines += [f"What was there before is in {done.aside}."] if done.aside else []
    lines += [] if key else ["node.key is missing: put your copy of it into node/ before you serve."]
    emit(as_json, value, "\n".join(lines))


def sync(
    replace: Annotated[
        bool, typer.Option("--replace", help="Let go of the ledger that the node has; its keys, vault and mailboxes stay.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Have a node that lost its ledger begin with a snapshot of other members' nodes, when it is served next."""
    from salus.bootstrap import begin_anew

    begin_anew(home, replace=replace)
    emit(as_json, {"begins": "anew"}, "The node fetches the network's ledger when it is served next: salus serve")


def _report(as_json: bool, findings: Iterable[Any], value: dict[str, object], lines: Iterable[str] = ()) -> None:
    """A line a finding, then ``lines``; exit with 1 and ``in-trouble`` when anything is."""
    rows = [(found.what, found.code, found.text) for found in findings]
    troubles = sum(1 for _, code, _ in rows if code)
    refusal = NodeRefused("in-trouble", f"{troubles} of {len(rows)} findings are in trouble")
    named = [{"what": what, "code": code or None, "text": text} for what, code, text in rows]
    error = {"error": {"code": refusal.full_code, "text": refusal.text}} if troubles else {}
    shown = [f"trouble {code} {text}" if code else f"ok {what}: {text}" for what, code, text in rows]
    emit(as_json, {"findings": named, **value, **error}, "\n".join([*shown, *lines]))
    if troubles and as_json:
        raise typer.Exit(1)
    if troubles:
        raise refusal


COMMANDS = (check, scrub, backup, restore, sync)
