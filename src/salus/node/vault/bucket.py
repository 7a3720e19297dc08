"""A bucket of an S3-compatible store: objects are blobs, named by their hashes alone; each is there whole or not at all.

The client (obstore) is loaded when a bucket is first asked. Its errors name keys and addresses; only what is worded here leaves.
"""

from __future__ import annotations

import configparser
import os
import re
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from salus.crypto.hashing import sha256
from salus.crypto.keys import fresh_nonce
from salus.errors import NodeRefused, SalusError, refusal
from salus.node.config import StoreConfig

_NAME = re.compile("[0-9a-f]{2}/[0-9a-f]{64}")
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
_MISSING = "NoSuchKey"
UNREACHABLE, BUSY, DENIED, GONE = "node/store-unreachable", "node/store-busy", "node/store-denied", "node/store-gone"
_WORDS = {
    UNREACHABLE: "the bucket in which this vault's blobs lie does not answer",
    BUSY: "the bucket in which this vault's blobs lie asks for fewer requests",
    DENIED: "the bucket in which this vault's blobs lie refuses this node's credentials",
    GONE: "the bucket in which this vault's blobs are to lie does not exist",
}
_BY_CODE = {
    "NoSuchBucket": GONE,
    "AccessDenied": DENIED,
    "AllAccessDisabled": DENIED,
    "ExpiredToken": DENIED,
    "InvalidAccessKeyId": DENIED,
    "InvalidToken": DENIED,
    "SignatureDoesNotMatch": DENIED,
    "XAdminUserNotFound": DENIED,  # versitygw's, of an access key that it does not know
    "RequestLimitExceeded": BUSY,
    "SlowDown": BUSY,
    "ServiceUnavailable": BUSY,
}
RETRIES = 2
PAUSE = 2.0  # seconds in which a store that did not answer is not asked: or all who read would wait for it, one after the other
MOST = 64 * 1024 * 1024  # bytes of a blob


class Bucket:
    """What ``config`` names. Every method may be called from any thread, and raises `NodeRefused` where it is not said otherwise:

    ``store-unreachable``, ``store-busy``, ``store-denied``, ``store-gone``. A request ends within some three times the configured
    timeout, retries included.
    """

    def __init__(self, config: StoreConfig) -> None:
        require_endpoint(config)
        self.url = config.url
        self._config, self._connecting = config, threading.Lock()
        self._store: Any = None
        self._errors: tuple[type[Exception], ...] = (OSError,)
        self._quiet_until, self._last = 0.0, UNREACHABLE

    def connect(self) -> None:
        """Load the client and the credentials; nothing is asked yet. ``no-store-client``, ``no-store-credentials``."""
        with self._connecting:
            if self._store is None:
                try:
                    client, errors = import_module("obstore.store"), import_module("obstore.exceptions")
                except ImportError:
                    client = None
                if client is None:
                    raise NodeRefused("no-store-client", "the library for buckets (obstore) is not installed")
                self._errors = (errors.BaseError, OSError)
                self._store = _opened(client, self._config, credentials(self._config))

    def put(self, blob: bytes, data: bytes) -> None:
        """Keep the blob: it is durable in the bucket when this returns."""
        with self._asking() as store:
            store.put(_name(blob), data)

    def get(self, blob: bytes, size: int | None = None) -> bytes | None:
        """The blob's bytes, to be checked by its hash; None when it is not there.

        ``blob-damaged`` where it is not of the ``size`` that it had, without reading it; or of more than any blob.
        """
        try:
            with self._asking() as store:
                answer = store.get(_name(blob))
                there = answer.meta["size"]
                if there > MOST or (size is not None and there != size):
                    raise NodeRefused("blob-damaged", "a sealed blob in the bucket is not of its size; restore it from a copy")
                return bytes(answer.bytes())
        except _NotThere:
            return None

    def delete(self, blobs: Sequence[bytes]) -> None:
        """Delete the blobs, those that are there."""
        try:
            with self._asking() as store:
                store.delete([_name(blob) for blob in blobs])
        except _NotThere:
            return

    def listed(self) -> Iterator[tuple[bytes, int, float]]:
        """(blob, bytes, when it came in seconds since the epoch) of all, a page at a time; other names are passed over."""
        with self._asking() as store:
            pages = iter(store.list(chunk_size=1000))
        while True:
            with self._asking():
                page = next(pages, None)
            if page is None:
                return
            for found in page:
                if _NAME.fullmatch(found["path"]) and found["path"][:2] == found["path"][3:5]:
                    yield bytes.fromhex(found["path"][3:]), found["size"], found["last_modified"].timestamp()

    def require_answering(self) -> None:
        """Raise where the store did not answer a moment ago; nothing is asked."""
        if time.monotonic() < self._quiet_until:
            raise refusal(self._last, _WORDS[self._last])

    def try_out(self) -> float:
        """Write a blob of chance, read it and delete it; the seconds that it took."""
        data, begun = fresh_nonce(), time.monotonic()
        blob = sha256(data)
        self.put(blob, data)
        whole = self.get(blob) == data
        self.delete([blob])
        if not whole:
            raise refusal(UNREACHABLE, "the bucket does not give back what was written to it")
        return time.monotonic() - begun

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        """Inside, errors of the store become refusals. One that did not answer is not asked again for a moment."""
        self.connect()
        self.require_answering()
        try:
            yield self._store
        except self._errors as error:
            failed = _meant(error)
        else:
            return
        if failed == _MISSING:
            raise _NotThere(_MISSING)  # what the client said is not handed on
        if failed in (UNREACHABLE, BUSY):
            self._last, self._quiet_until = failed, time.monotonic() + min(PAUSE, self._config.timeout_seconds)
        raise refusal(failed, _WORDS[failed])


class _NotThere(SalusError):
    """The bucket answered that it has no such object."""

    codespace = "bucket"


def require_endpoint(config: StoreConfig) -> None:
    """`NodeRefused` ``bad-config`` where requests would leave this machine without TLS, and that is not said."""
    parts = urlsplit(config.endpoint)
    if parts.scheme == "http" and not config.plain_http and not _is_loopback(parts.hostname or ""):
        raise NodeRefused("bad-config", "the store's endpoint has no TLS; say plain_http = true where the way to it is safe")


def credentials(config: StoreConfig) -> dict[str, Any]:
    """The keys in the file that is named, else in the environment; nobody else is asked for any. ``no-store-credentials``."""
    found = _in_file(Path(config.credentials)) if config.credentials else {name.lower(): os.environ.get(name) for name in _KEYS}
    key, secret, token = (found.get(name.lower()) for name in _KEYS)
    if not key or not secret:
        where = "the file that config.toml names" if config.credentials else f"{_KEYS[0]} and {_KEYS[1]}"
        raise NodeRefused("no-store-credentials", f"the bucket's keys are not in {where}")
    return {"access_key_id": key, "secret_access_key": secret, "token": token or None, "expires_at": None}


_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def _in_file(path: Path) -> dict[str, str | None]:
    """The section ``default`` of the file; ``no-store-credentials`` where others may read it or it is of another form."""
    parser = configparser.RawConfigParser(default_section="")
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise NodeRefused("no-store-credentials", "others may read the file with the bucket's keys; chmod 600")
        parser.read_string(path.read_text("utf-8"))
        return dict(parser["default"])
    except (OSError, UnicodeDecodeError, configparser.Error, KeyError):
        unread = NodeRefused("no-store-credentials", "the file with the bucket's keys cannot be read")
    raise unread  # without what was wrong in it, which may be a key


def _opened(client: Any, config: StoreConfig, keys: dict[str, Any]) -> Any:
    """The client. What the environment says of addresses or of signing does not count: it is said here once more."""
    parts = urlsplit(config.url)
    options: dict[str, Any] = {
        "region": config.region,
        "virtual_hosted_style_request": not config.endpoint,
        "skip_signature": False,
    }
    endpoint = config.endpoint or f"https://{parts.netloc}.s3.{config.region}.amazonaws.com"
    limit = timedelta(seconds=config.timeout_seconds)
    return client.S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        config={**options, "endpoint": endpoint, "aws_endpoint_url_s3": endpoint},
        client_options={"allow_http": endpoint.startswith("http:"), "connect_timeout": limit, "timeout": limit},
        retry_config={
            "max_retries": RETRIES,
            "retry_timeout": limit * 1.5,
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
        },
        credential_provider=lambda: keys,
    )


def _meant(error: Exception) -> str:
    """The code for what the store or the client said: by the store's own code, which tells a lost bucket from a lost object."""
    said = _CODE.search(str(error))
    if said is not None and said[1] == _MISSING:
        return _MISSING
    if said is not None and said[1] in _BY_CODE:
        return _BY_CODE[said[1]]
    return DENIED if type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError") else UNREACHABLE


def _name(blob: bytes) -> str:
    """As a folder of blobs has it: what is copied from one to the other is in its place."""
    return f"{blob.hex()[:2]}/{blob.hex()}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
