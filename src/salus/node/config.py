"""A node's configuration: strict; a misspelt key refuses to start."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from salus.crypto.transport import TransportKey
from salus.errors import NodeRefused
from salus.exchange.addressing import MOST, Address, pinned, split_pin
from salus.node.identity import read_node_seed

MemberHex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Endpoint = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[^\s:@]+:\d{1,5}\Z")]

LEAST_KEPT = 10  # blocks: engines that are a little behind take them from the others

PeerEndpoint = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[0-9a-f]{40}@[^\s:@,]+:\d{1,5}\Z")]


class CometConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where this node's CometBFT listens for the others' (``listen``, host:port), and where other members' are (``peers``).

    ``reached``: where others reach it, if that is neither where it listens nor its port at the host of ``address``.
    ``local``: all of them are on one machine, need not wait for the wire, and reach one another only as it is written here.
    ``snapshot_blocks``: after how many blocks a snapshot of the state is made for those who join; 0 for never.
    ``keep_blocks``: how many of the newest blocks are kept at least, about twice as many at most; 0 for all: an archive.
    """

    listen: Endpoint
    peers: dict[MemberHex, PeerEndpoint] = {}
    local: bool = False
    snapshot_blocks: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 1_000
    keep_blocks: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 0
    reached: Annotated[str, msgspec.Meta(max_length=255, pattern=r"^([^\s:@]+:\d{1,5})?\Z")] = ""

    def __post_init__(self) -> None:
        """Raise `ValueError` for what would keep less than engines need of one another, or could never let go of anything."""
        if 0 < self.keep_blocks < LEAST_KEPT:
            raise ValueError(f"keep_blocks is 0, or {LEAST_KEPT} at least")
        if self.keep_blocks and not self.snapshot_blocks:
            raise ValueError("keep_blocks needs snapshots (snapshot_blocks), as a chain begins with one")


class OwnCertificate(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The operator's own certificate, with its chain, and its key: files in PEM, from the folder of ``config.toml`` on."""

    certificate: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class StoreConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The bucket in which settled blobs lie: ``s3://BUCKET`` or ``s3://BUCKET/PREFIX``; ``endpoint`` of its keeper, "" for AWS.

    ``credentials``: a file that only its owner may read, in the form of AWS's; "" takes them from the environment.
    ``plain_http``: whether an endpoint without TLS may be another machine. ``timeout_seconds``: what one request may take.
    ``buffer_bytes``: how many bytes may wait on this disk for the bucket before nothing more is taken.
    """

    url: Annotated[str, msgspec.Meta(max_length=255, pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_-]+)*\Z")]
    endpoint: Annotated[str, msgspec.Meta(max_length=255, pattern=r"^(https?://[^\s/?#@]+)?\Z")] = ""
    region: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[a-z0-9-]+\Z")] = "us-east-1"
    credentials: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    plain_http: bool = False
    timeout_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 10.0
    buffer_bytes: Annotated[int, msgspec.Meta(ge=0)] = 4 * 1024 * 1024 * 1024


class Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``config.toml``. ``port`` 0 takes a free one; ``anchor_seconds``: how often changed receipt chains are anchored.

    ``metrics_public``: whether other machines may read ``/v1/metrics``; ``log``: lines of text or of JSON; ``access_log``:
    whether each request has a line. ``follow``: where the node answers that orders blocks, in every member's node but its own,
    and how often (``follow_seconds``) it is asked; ``address``: where other members' nodes reach this one.
    ``comet``: in a network whose members validate; ``members``: where other members' nodes answer, as far as they do not say so.
    ``guests``: whether whoever comes from outside must have been invited. ``tls``: whether the API answers in TLS by a generated
    key ("auto": where it listens on anything but the loopback), by an `OwnCertificate`, or not at all ("off").
    ``store``: the bucket for blobs; without it they lie in the node's folder.
    """

    host: Annotated[str, msgspec.Meta(max_length=255)] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    anchor_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60
    mailbox_letters: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    metrics_public: bool = False
    log: Literal["text", "json"] = "text"
    access_log: bool = False
    follow: Address = ""
    follow_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 1.0
    address: Address = ""
    comet: CometConfig | None = None
    members: dict[MemberHex, Address] = {}
    guests: Literal["invited", "open"] = "invited"
    tls: OwnCertificate | Literal["auto", "generated", "off"] = "auto"
    store: StoreConfig | None = None


def read_config(path: Path) -> Config:
    """The configuration in ``path``, or the defaults where there is no file; `NodeRefused` ``bad-config`` otherwise."""
    if not path.exists():
        return Config()
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Config)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NodeRefused("bad-config", f"{path.name}: {error}") from error


def generates(config: Config) -> bool:
    """Whether the API answers in TLS by a key that is generated."""
    return config.tls == "generated" or (config.tls == "auto" and not _on_loopback(config.host))


def _on_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_announced(node: Path) -> Config:
    """The configuration of the node whose folder is ``node``, with its address as others are told it: pinned, where it generates.

    `NodeRefused` ``bad-config`` where the address does not fit to how the API answers; ``bad-node-key``.
    """
    config, seed = read_config(node / "config.toml"), read_node_seed(node / "node.key")
    in_tls = generates(config) or isinstance(config.tls, OwnCertificate)
    if in_tls and config.address.startswith("http:"):
        raise NodeRefused("bad-config", 'the node answers in TLS, so its address begins with https (or say tls = "off")')
    if not config.address or not generates(config):
        return config
    address = pinned(config.address, TransportKey(seed).pin)
    if split_pin(config.address)[1] is not None and address != config.address:
        raise NodeRefused("bad-config", "the address is pinned to another key than this node's generated one")
    if len(address) > MOST:
        raise NodeRefused("bad-config", "the address leaves no room for its pin")
    return msgspec.structs.replace(config, address=address)


def reachable_engine(config: Config) -> str:
    """Where others reach this node's engine (host:port); `NodeRefused` ``bad-config`` where that is not said."""
    comet = config.comet
    if comet is None:
        raise NodeRefused("bad-config", "config.toml has no engine (comet)")
    if comet.reached:
        return comet.reached
    host, _, port = comet.listen.rpartition(":")
    with suppress(ValueError):
        if ip_address(host.strip("[]")).is_unspecified:
            host = urlsplit(config.address).hostname or ""
    if not host:
        raise NodeRefused("bad-config", "config.toml does not say where others reach this node (address, or comet.reached)")
    return f"{host}:{port}"


def validating_file(address: str, comet: CometConfig, members: Mapping[str, str], port: int = 0) -> bytes:
    """A ``config.toml`` for a node that validates. ``address``: where it is reached; ``members``: where others' nodes answer."""
    quoted = [(name, msgspec.json.encode(text).decode()) for name, text in (("address", address), ("listen", comet.listen))]
    lines = [f"{name} = {text}" for name, text in quoted[:1]] + [f"port = {port}", "", "[comet]", f"listen = {quoted[1][1]}"]
    lines += [f"local = {str(comet.local).lower()}", "", "[comet.peers]"]
    lines += [f"{member} = {msgspec.json.encode(where).decode()}" for member, where in sorted(comet.peers.items())]
    lines += ["", "[members]"] + [f"{member} = {msgspec.json.encode(url).decode()}" for member, url in sorted(members.items())]
    return _checked(lines)


def following_file(follow: str, address: str) -> bytes:
    """A ``config.toml`` for a node that follows the one at ``follow``, and is reached at ``address`` ("": where it listens)."""
    lines = [f"follow = {msgspec.json.encode(follow.rstrip('/')).decode()}"]
    lines += [f"address = {msgspec.json.encode(address.rstrip('/')).decode()}"] if address else []
    return _checked(lines)


def _checked(lines: list[str]) -> bytes:
    data = ("\n".join(lines) + "\n").encode()
    try:
        msgspec.toml.decode(data, type=Config)
    except msgspec.ValidationError as error:
        raise NodeRefused("bad-config", "a node is named by its address, such as https://node.example:443") from error
    return data
