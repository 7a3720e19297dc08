"""A command that stops between two of its calls while others go on. One thread runs at a time, and it is told when."""

from __future__ import annotations

import threading
from collections.abc import Callable

from simulation.faults import SENDING


class Task:
    """Runs ``act`` in a thread of its own, as far as it is let: `advance` returns when it has stopped, or is done."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act, self._left = act, 0
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._killing: BaseException | None = None
        self.done, self.result, self.error = False, None, None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def advance(self, calls: int) -> bool:
        """Let it go on for ``calls`` calls (0: to its end; -n: until its n-th submission or letter); whether it is done."""
        self._left = calls
        self._go.release()
        self._stopped.acquire()
        if self.done:
            self._thread.join()
        return self.done

    def kill(self, how: BaseException) -> None:
        """End it where it stands: ``how`` is raised there."""
        self._killing = how
        self.advance(0)

    def pause(self, name: str) -> None:
        """Called by the thread itself before each call ``name``: stops where it has come to the end of what it was let."""
        if threading.current_thread() is not self._thread:
            return
        if self._left > 0 or (self._left < 0 and name in SENDING):
            self._left -= 1 if self._left > 0 else -1
            if not self._left:
                self._stopped.release()
                self._go.acquire()
        if self._killing is not None:
            raise self._killing

    def _run(self) -> None:
        self._go.acquire()
        try:
            self.result = self._act()
        except BaseException as error:
            self.error = error
        self.done = True
        self._stopped.release()
