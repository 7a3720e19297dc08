"""A node's configuration: strict; a misspelt key refuses to start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from salus.errors import NodeRefused


class Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``config.toml``. ``port`` 0 takes a free one; ``anchor_seconds``: how often changed receipt chains are anchored.

    ``metrics_public``: whether other machines may read ``/v1/metrics``; ``log``: lines of text or of JSON; ``access_log``:
    whether each request has a line; ``guests``: whether whoever comes from outside must have been invited.
    """

    host: Annotated[str, msgspec.Meta(max_length=255)] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    anchor_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60
    mailbox_letters: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    metrics_public: bool = False
    log: Literal["text", "json"] = "text"
    access_log: bool = False
    guests: Literal["invited", "open"] = "invited"


def read_config(path: Path) -> Config:
    """The configuration in ``path``, or the defaults where there is no file; `NodeRefused` ``bad-config`` otherwise."""
    if not path.exists():
        return Config()
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Config)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NodeRefused("bad-config", f"{path.name}: {error}") from error
