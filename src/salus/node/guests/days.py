"""What each guest has used today: in memory, and one short line a time in a file, without waiting for the disk.

A node that is killed has forgotten nothing; after a power cut, what the system had not written yet is counted anew (Linux writes
within about half a minute).
"""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from pathlib import Path

from salus.errors import NodeRefused

DAY = 86_400_000  # ms
_PREFIX = "used-"
_KEY, _ROW = 32, 36


class Days:
    """Counts by key and UTC day, in files of ``folder``. Any thread may call."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self._day, self._used = -1, Counter[bytes]()

    def spend(self, key: bytes, actions: int, most: int, now: int) -> None:
        """Count ``actions`` for the key at ``now`` (ms); more than ``most`` a day are refused: ``guest-allowance-spent``."""
        with self._lock:
            day = now // DAY
            if day != self._day:
                self._begin(day)
            if self._used[key] + actions > most:
                raise NodeRefused("guest-allowance-spent", f"a guest of this node has {most} actions a day; go on tomorrow (UTC)")
            row = key + actions.to_bytes(4, "big")
            handle = os.open(_file(self._folder, day), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                if os.write(handle, row) != _ROW:
                    self._day = -1  # so that the next one begins by cutting off what is left of this row
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(handle)
            self._used[key] += actions

    def _begin(self, day: int) -> None:
        path = _file(self._folder, day)
        for old in self._folder.glob(f"{_PREFIX}*"):
            if old != path:
                old.unlink()
        self._used = used_on(self._folder, day)
        if path.exists():
            os.truncate(path, path.stat().st_size // _ROW * _ROW)  # a row that a full disk cut off
        self._day = day


def used_on(folder: Path, day: int) -> Counter[bytes]:
    """How many actions each key has used on that day."""
    used = Counter[bytes]()
    path = _file(folder, day)
    data = path.read_bytes() if path.exists() else b""
    for start in range(0, len(data) - _ROW + 1, _ROW):
        used[data[start : start + _KEY]] += int.from_bytes(data[start + _KEY : start + _ROW], "big")
    return used


def _file(folder: Path, day: int) -> Path:
    return folder / f"{_PREFIX}{day}"
