"""``salus node check``, ``scrub``, ``backup`` and ``restore``: what an operator does, also while the node is served."""

from collections.abc import Iterable
from contextlib import ExitStack, nullcontext
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
    from salus.home_folder import clock, read_genesis
    from salus.node.operating.checking import check
    from salus.own_node import settle

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
    from salus.cli.session import progress
    from salus.home_folder import read_genesis
    from salus.node.operating.partials import storage_refusals
    from salus.node.operating.scrubbing import scrub
    from salus.own_node import held_node, settle

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
    with_bucket: Annotated[
        bool, typer.Option("--with-bucket", help="Copy also what lies in the bucket that config.toml names.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Copy the node, while it is served or not."""
    from salus.cli.session import progress
    from salus.home_folder import clock, read_genesis
    from salus.node.operating.backup import back_up
    from salus.own_node import settle

    genesis = read_genesis(home)
    settle(home)
    with progress() as told:
        choice = {"with_key": with_key, "incomplete": incomplete, "with_bucket": with_bucket}
        made = back_up(home, genesis, out, clock(), told, **choice)
    table = made.manifest
    value = {
        "backup": str(made.place),
        "network": table.network,
        "height": table.height,
        "header": table.header,
        "files": len(table.files),
        "bytes": made.size,
        "lost": made.lost,
        "bucket": table.bucket,
        "in_bucket": table.in_bucket,
        "key": with_key,
    }
    text = f"{made.place}: {len(table.files)} files, {made.size} bytes, up to block {table.height}."
    text += f"\nThe node had lost {made.lost} sealed entries; they are not in it." if made.lost else ""
    text += (
        f"\n{table.in_bucket} sealed blobs lie in {table.bucket} and are not in it: keep copies of the bucket."
        if table.bucket
        else ""
    )
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
    from salus.cli.session import passphrase, progress
    from salus.node.identity import RESYNC
    from salus.own_node import restore_node

    with progress() as told:
        done = restore_node(home, backup, passphrase, told, replace=replace)
    key = (home / "node" / "node.key").exists()
    value = {**asdict(done), "parts": list(done.parts), "key": key}
    ledger = f"The ledger ends with block {done.height}."
    if (home / "node" / RESYNC).exists():
        ledger = "The ledger comes from the other members' blocks once the node is served."
    lines = [f"Restored: {', '.join([*done.parts, f'{done.blobs} blobs'])}. {ledger}"]
    lines += [f"{done.missing} blobs are in neither place: `salus node scrub` names them."] if done.missing else []
    lines += [f"What was there before is in {done.aside}."] if done.aside else []
    lines += [] if key else ["node.key is missing: put your copy of it into node/ before you serve."]
    emit(as_json, value, "\n".join(lines))


def doctor(home: Home = HOME, as_json: Json = False) -> None:
    """What is wrong with this node, on its disk and among the others: a finding each, and what to do. Nothing is changed."""
    from salus.bootstrap import joined
    from salus.home_folder import clock, read_genesis
    from salus.node.operating.checking import check
    from salus.node.operating.doctoring import doctor
    from salus.own_node import settle

    genesis = read_genesis(home)
    settle(home)
    found = check(home, genesis, clock(), 100)
    with ExitStack() as stack:
        try:
            own = stack.enter_context(joined(home))
        except NodeRefused as refused:
            if refused.code != "node-not-running":
                raise
            own = None
        _report(as_json, doctor(found, home, genesis, clock(), own), {})


def rotate_keys(home: Home = HOME, as_json: Json = False) -> None:
    """Let this node's validator vote with a new key; also after it lost what its key had signed (see `resync`)."""
    from salus.agent.services.governing import renew_validator
    from salus.cli.session import session
    from salus.ledger.lightblock import address
    from salus.node.comet.signing import begin_key, next_number, public_key
    from salus.node.identity import read_node_seed

    folder, seed = home / "node" / "comet", read_node_seed(home / "node" / "node.key")
    if not folder.is_dir():
        raise NodeRefused("not-validating", "this node orders no blocks together with others")
    with session(home) as agent:
        number = next_number(folder)
        begin_key(folder, number)
        renew_validator(agent, public_key(seed, number))
    key = public_key(seed, number)
    value = {"number": number, "key": key.hex(), "address": address(key).hex()}
    emit(as_json, value, "The node begins again by itself, and its validator votes with the new key two blocks later.")


def resync(
    every_block: Annotated[
        bool, typer.Option("--all", help="Every block since genesis: so the node becomes an archive.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Take the ledger from the other members again: what this node has of ledger and engine is moved aside. Stop it first."""
    from salus.own_node import resync_node

    aside, signed = resync_node(home, every_block=every_block)
    text = f"What was there is in {aside}. Serve the node: it takes the ledger from the others."
    if not signed:
        text += "\nWhat its validator had signed is lost, so it does not vote: salus node rotate-keys, once it has caught up."
    emit(as_json, {"aside": aside, "votes": signed}, text)


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


COMMANDS = (check, doctor, scrub, backup, restore, rotate_keys, resync)
