"""The network between members' nodes: it can be cut, and the node that orders can be forged on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from msgspec.structs import replace

from salus.errors import NodeRefused
from salus.exchange.peering import PeerAnswer
from salus.node import peers
from simulation.disk import Stopped


def address(host: str) -> str:
    """Where a machine's node answers."""
    return f"http://{host}"


@dataclass
class Between:
    """What lies between the nodes of ``hosts``. ``cut`` and ``forged``: for how many steps still. `begin` it, and `end` it."""

    hosts: dict[str, Any]
    cut: int = 0
    forged: int = 0
    _patched: Any = field(default=None, init=False)

    def begin(self) -> None:
        """Every way to another node leads through here from now on."""
        self._patched = mock.patch.object(peers, "PeerClient", lambda where, _seconds: PeerWire(self, where))
        self._patched.start()

    def end(self) -> None:
        """No more."""
        self._patched.stop()

    def pass_step(self) -> None:
        """A step nearer to its end, whatever it is."""
        self.cut, self.forged = max(0, self.cut - 1), max(0, self.forged - 1)


@dataclass
class PeerWire:
    """A member's node, as another member's node calls it."""

    between: Between
    where: str

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            host = next((host for host in self.between.hosts.values() if address(host.name) == self.where), None)
            if self.between.cut or host is None:
                raise NodeRefused("peer-unreachable", "the node of the member that is addressed does not answer")
            try:
                answer = getattr(host.node, name)(*given, **named)
            except Stopped as stopped:
                if stopped.args != (host.name,):
                    raise
                host.crash()
                raise NodeRefused("peer-unreachable", "the node of the member that is addressed does not answer") from None
            return forged(answer) if self.between.forged and isinstance(answer, PeerAnswer) else answer

        return call

    def close(self) -> None:
        """Nothing is open."""


def forged(answer: PeerAnswer) -> PeerAnswer:
    """The newest block of an answer under another time, with the signature that it had."""
    if not answer.blocks:
        return answer
    *blocks, last = answer.blocks
    header = replace(last.header.header, time=last.header.header.time + 1)
    return replace(answer, blocks=(*blocks, replace(last, header=replace(last.header, header=header))))
