"""Invitations that people hand to a command. Commands import this when they run: it loads what reads a signature."""

from __future__ import annotations

from salus.cli.options import read_input
from salus.exchange.guests import Invitation
from salus.exchange.inviting import ARMOUR, read_invitation


def read_invite(given: str) -> Invitation:
    """The invitation that was given as it is, or as the first line of a file.

    `AgentRefused` ``bad-invitation``, `Misused` ``no-such-file``.
    """
    text = given if given.startswith(ARMOUR) else read_input(given).decode("ascii", "replace")
    return read_invitation(text.strip().partition("\n")[0])
