"""``salus node checkpoint`` and ``trust``: what a home that slept too long needs from somebody else than its node."""

from pathlib import Path
from typing import Annotated

import typer

from salus.cli.options import HOME, Home, Json, read_input, write_output
from salus.cli.output import emit, rfc3339, when


def checkpoint(
    out: Annotated[Path | None, typer.Option(help="The new file for it; standard output without.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """The newest header, as this home has verified it: a line of text for somebody whose home has not looked for long."""
    from salus.agent.services import checkpointing
    from salus.cli.session import session
    from salus.exchange.checkpoints import checkpoint_to_text

    with session(home) as agent:
        found = checkpointing.checkpoint(agent)
    text = checkpoint_to_text(found)
    if out is not None:
        write_output(out, text.encode("ascii"))
    value = {"height": found.header.height, "time": rfc3339(found.header.time), "checkpoint": text.strip()}
    emit(as_json, value, text.strip() if out is None else f"{out}: block {found.header.height}, {when(found.header.time)}")


def trust(
    file: Annotated[str, typer.Argument(help="The checkpoint: a file, or - for standard input.")],
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Go by a checkpoint that somebody whom you trust gave you, as long as your own last look supports it."""
    from salus.agent.services.checkpointing import take_checkpoint
    from salus.cli.session import passphrase
    from salus.exchange.checkpoints import checkpoint_from_text
    from salus.home_folder import clock, opened_store, read_genesis

    signed = checkpoint_from_text(read_input(file))
    genesis = read_genesis(home)
    with opened_store(home, passphrase) as store:
        found = take_checkpoint(store, genesis, clock(), signed)
    emit(
        as_json,
        {"height": found.height, "time": rfc3339(found.time)},
        f"this home goes by block {found.height}, {when(found.time)}",
    )


COMMANDS = (checkpoint, trust)
