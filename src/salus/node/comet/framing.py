"""Messages on CometBFT's socket, each behind its length, a varint of protocol buffers: bytes in, messages out, no socket."""

from __future__ import annotations

from collections.abc import Iterator

from salus.errors import Malformed

MAX_FRAME = 64 * 1024 * 1024  # bytes; a block is far smaller
_MAX_LENGTH = 5  # bytes of a varint: 35 bits


def framed(message: bytes) -> bytes:
    """The message behind its length."""
    rest, length = len(message), bytearray()
    while rest >= 0x80:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    length.append(rest)
    return bytes(length) + message


class Frames:
    """Takes bytes as they come and gives whole messages. `Malformed` ``bad-frame`` for a length that no message here has."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit, self._held = limit, bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that are whole now; what is left waits for more."""
        self._held += data
        at = 0
        while (start := self._start(at)) is not None:
            body, size = start
            if len(self._held) - body < size:
                break
            at = body + size
            yield bytes(self._held[body:at])
        del self._held[:at]

    def _start(self, at: int) -> tuple[int, int] | None:
        """Where the message behind ``at`` begins and how long it is; None while its length is not whole."""
        size = 0
        for index, byte in enumerate(self._held[at : at + _MAX_LENGTH]):
            size |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                if size > self._limit or (index and not byte):
                    raise Malformed("bad-frame", "the length of a message is too large, or not its shortest form")
                return at + index + 1, size
        if len(self._held) - at >= _MAX_LENGTH:
            raise Malformed("bad-frame", "the length of a message does not end")
        return None
