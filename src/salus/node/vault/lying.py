"""Where a node's blobs lie: in a folder, or in the bucket that ``config.toml`` names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from salus.errors import NodeRefused
from salus.node.config import Config, read_config
from salus.node.vault.blobs import Blobs
from salus.node.vault.bucket import Bucket
from salus.node.vault.bucketed import BucketBlobs
from salus.node.vault.stored import Stored


def open_blobs(node: Path, config: Config, *, reading: bool = False) -> Blobs:
    """The blobs of the node in the folder ``node``. Nothing is asked of a bucket yet.

    `NodeRefused` ``store-changed`` where they lie in a bucket that is no longer configured.
    """
    folder, index = node / "vault" / "blobs", node / "vault" / "stored"
    if config.store is not None:
        return BucketBlobs(folder, index, Bucket(config.store), config.store.buffer_bytes, reading=reading)
    if index.is_dir():
        stored = Stored(index, reading=True)
        try:
            if stored.totals()[0]:
                raise NodeRefused("store-changed", "config.toml no longer names the bucket in which this vault's blobs lie")
        finally:
            stored.close()
    return Blobs(folder, reading=reading)


@contextmanager
def held_blobs(node: Path, *, reading: bool = True, configured: Path | None = None) -> Iterator[Blobs]:
    """The blobs of a node that may be served by another process; ``configured``: where ``config.toml`` is, if not in ``node``."""
    blobs = open_blobs(node, read_config((configured or node) / "config.toml"), reading=reading)
    try:
        yield blobs
    finally:
        blobs.close()
