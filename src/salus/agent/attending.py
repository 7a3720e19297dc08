"""Somebody has to be there when something becomes due: a thread that looks now and then, while a home is served."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import apsw

from salus.errors import SalusError

LOGGER = logging.getLogger("salus.agent")
BUSY = "node/node-busy"  # a command is at work on the home, and does what is due itself


class Attending:
    """Calls ``look`` every ``seconds`` until `stop`. A look that fails is logged by its code, and done again next time."""

    def __init__(self, look: Callable[[], None], seconds: float) -> None:
        self._look, self._seconds, self._stopping = look, seconds, threading.Event()
        self._thread = threading.Thread(target=self._run, name="attending", daemon=True)

    def start(self) -> None:
        """Begin; the first look is after ``seconds``."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after the look that it is at."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self._look()
            except SalusError as error:
                if error.full_code != BUSY:
                    _log(error.full_code)
            except (OSError, apsw.Error) as error:
                _log(type(error).__name__)


def _log(why: str) -> None:
    LOGGER.warning("what waits could not be sent: %s", why, extra={"event": "outbox", "known": {"code": why}})
