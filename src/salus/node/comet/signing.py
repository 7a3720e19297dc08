"""The keys that this node's validator may vote with. For each there is a file of what it has signed last, and none votes without.

Whoever forgets what a key signed could sign two blocks of one height with it, and so help to split the network. Therefore such a
file is made only together with a key that is new, and never put back from a copy: a validator that lost it takes another key.
"""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path

from salus.crypto.signing import SigningKey
from salus.durable import make_folder, write_new
from salus.errors import storage_failed
from salus.node.identity import validator_seed

SIGNED_FILES = "signed-*.json"
_NAME = re.compile(r"signed-(\d{1,18})\.json")
_FAR = 2**40  # numbers are chosen among so many: a clock that was set back would give one again


def signed_name(number: int) -> str:
    """The file, in the engine's folder, of what the key of that number has signed."""
    return f"data/signed-{number}.json"


def begin_key(folder: Path, number: int) -> None:
    """Make the file for a key that has never signed anything; `NodeRefused` ``storage-failed`` where the disk refuses."""
    try:
        make_folder(folder / "data")
        write_new(folder / signed_name(number), json.dumps({"height": "0", "round": 0, "step": 0}).encode("ascii"))
    except OSError as error:
        raise storage_failed(error) from error


def numbers(folder: Path) -> list[int]:
    """The numbers of the keys that may vote here, in order."""
    return sorted(int(match[1]) for path in (folder / "data").glob(SIGNED_FILES) if (match := _NAME.fullmatch(path.name)))


def next_number(folder: Path) -> int:
    """A number above those that are here, by chance: none that a key of this node had, also when all files are lost."""
    return max(numbers(folder), default=0) + 1 + secrets.randbelow(_FAR)


def voting_number(folder: Path, seed: bytes, named: bytes | None, *, founding: bool) -> int:
    """The key to vote with: that which the ledger has of this member (``named``), if what it signed is known here.

    Otherwise the newest that is here, or a new one: the node then only follows, until its member renews to that key.
    """
    here = numbers(folder)
    if not here and founding:
        begin_key(folder, 0)
        return 0
    for number in here:
        if public_key(seed, number) == named:
            return number
    if not here:
        here = [next_number(folder)]
        begin_key(folder, here[0])
    return here[-1]


def public_key(seed: bytes, number: int) -> bytes:
    """The public key of that number."""
    return SigningKey(validator_seed(seed, number)).public
