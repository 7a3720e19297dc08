"""Other members' nodes: what is addressed to another member is passed on to its node."""

from __future__ import annotations

import threading

from salus.errors import NodeRefused
from salus.exchange.client import NodeClient


class Peers:
    """Clients by member id. Close them with `close`."""

    def __init__(self) -> None:
        self._lock, self._clients = threading.Lock(), dict[bytes, tuple[str, NodeClient]]()

    def know(self, member: bytes, address: str) -> None:
        """The member's node answers at ``address`` from now on."""
        with self._lock:
            known = self._clients.get(member)
            if known is None or known[0] != address:
                self._clients[member] = (address, NodeClient(address))
                if known is not None:
                    known[1].close()

    def of(self, member: bytes) -> NodeClient:
        """The way to the member's node; `NodeRefused` ``no-peer`` where none is known."""
        with self._lock:
            known = self._clients.get(member)
        if known is None:
            raise NodeRefused("no-peer", "this node knows no way to that member's node")
        return known[1]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for _, client in self._clients.values():
                client.close()
            self._clients.clear()
