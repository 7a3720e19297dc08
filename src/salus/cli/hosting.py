"""``salus node invite`` and ``salus node guests``: whom a node serves beside its own home."""

from typing import Annotated

import typer

from salus.cli.options import HOME, Home, Json, span
from salus.cli.output import emit, rfc3339, table, when


def invite(
    duration: Annotated[str, typer.Option("--for", help="How long whoever redeems it is served: 30d, 52w.")] = "52w",
    uses: Annotated[int, typer.Option(min=1, max=10_000, help="How many homes may redeem it.")] = 1,
    actions: Annotated[int, typer.Option(min=1, max=1_000_000_000, help="Actions a day for each of them.")] = 1_000,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Invite somebody's home to use this node. Whoever has the code may redeem it: hand it over like a key."""
    from salus.exchange.inviting import invitation_key, invitation_text
    from salus.own_node import guest_book, kept_header, told_address

    with guest_book(home) as book:
        made = book.invite(span(duration), uses, actions, kept_header(home))
        identity = invitation_key(made.secret).public
        invited = dict(book.invitations())[identity]
    address = told_address(home)
    value = {
        "address": address,
        "invitation": identity.hex(),
        "code": invitation_text(made),
        "uses": uses,
        "actions": actions,
        "redeemable": rfc3339(invited.redeemable),
        "until": rfc3339(invited.until),
    }
    lines = [
        value["code"],
        f"Redeemable until {when(invited.redeemable)}: salus init --node {address or 'ADDRESS'} --genesis FILE --invite CODE",
    ]
    emit(as_json, value, "\n".join([*map(str, lines), f"Whoever redeems it is served until {when(invited.until)}."]))


def guests(
    remove: Annotated[str | None, typer.Option(help="End the guest, or the invitation, whose id begins like this.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Whom this node serves beside its own home, by key, and which invitations are open."""
    from salus.home_folder import clock
    from salus.node.guests.days import DAY, used_on
    from salus.own_node import guest_book

    with guest_book(home) as book:
        ended = book.end(remove) if remove is not None else None
        found, opened, now = book.guests(), book.invitations(), clock()
    used = used_on(home / "node" / "guests", now // DAY)
    rows = [
        {
            "guest": key.hex(),
            "since": rfc3339(guest.since),
            "until": rfc3339(guest.until),
            "actions": guest.actions,
            "used_today": used[key],
            "status": "guest" if guest.until > now else "ended",
        }
        for key, guest in found
    ]
    invited = [
        {"invitation": key.hex(), "redeemable": rfc3339(one.redeemable), "until": rfc3339(one.until), "uses": one.left}
        for key, one in opened
    ]
    shown = [
        (key.hex()[:16], row["status"], when(one.since), when(one.until), f"{used[key]} of {one.actions}")
        for (key, one), row in zip(found, rows, strict=True)
    ]
    shown += [(key.hex()[:16], f"invitation, {one.left} left", "", when(one.until), "") for key, one in opened]
    text = table(("id", "", "since", "until", "used today"), shown, "no guests and no open invitations")
    text = f"{ended.hex()[:16]} has ended.\n{text}" if ended else text
    emit(as_json, {"guests": rows, "invitations": invited, "ended": ended.hex() if ended else None}, text)


COMMANDS = (invite, guests)
