"""The wires between the members of a localnet: what one says to another passes through here, and each wire can be cut.

A cut wire carries nothing, like a network that drops packets: connections stay open and silent at both ends, the end of one is
not heard at the other, and a new one is begun and never answered. What was under way goes on when the wire is whole again, unless
an end has given up meanwhile. A connection that is closed would tell at once what a network that fails does not tell.

``python -m salus.relay FOLDER``, with these files in it::

    ways.json    each way from one member to another: where it begins on this machine, and where it leads
    cuts.json    the pairs of members whose wires are cut; read at the start, and again at SIGHUP
    cuts.seen    the same bytes, once they hold
"""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from salus.durable import write_atomically

WAYS, CUTS, SEEN = "ways.json", "cuts.json", "cuts.seen"
CHUNK = 64 * 1024
LOOK = 1.0  # seconds between two looks whether the folder is still there
FILES = 8192  # open files that sixteen members may need

Pair = tuple[str, str]


class Way(msgspec.Struct, frozen=True):
    """From one member's process to another's: who dials ``begins`` (host:port) reaches ``leads`` while the wire is whole."""

    source: str
    target: str
    begins: str
    leads: str


def pair(one: str, other: str) -> Pair:
    """The wire between two members, whoever is named first."""
    return (one, other) if one < other else (other, one)


def read_cuts(folder: Path) -> set[Pair]:
    """Between whom the wires are cut."""
    path = folder / CUTS
    return set(msgspec.json.decode(path.read_bytes(), type=list[Pair])) if path.exists() else set()


def write_cuts(folder: Path, cuts: Iterable[Pair]) -> bytes:
    """Write down between whom the wires are to be cut, for a relay to read; returns what it will have seen."""
    data = msgspec.json.encode(sorted(cuts))
    write_atomically(folder / CUTS, data)
    return data


class Relay:
    """Carries what comes on every way of ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ways = msgspec.json.decode((folder / WAYS).read_bytes(), type=list[Way])
        self._whole = {pair(way.source, way.target): asyncio.Event() for way in self._ways}
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Carry until a signal, or until the folder is gone."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.obey)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended.set)
        for way in self._ways:
            host, port = _address(way.begins)
            await asyncio.start_server(partial(self._carry, way), host, port)
        self.obey()
        while not self._ended.is_set() and (self._folder / WAYS).exists():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), LOOK)

    def obey(self) -> None:
        """Cut and mend as the folder says, and say so."""
        with suppress(OSError, msgspec.DecodeError):
            cuts = read_cuts(self._folder)
            for members, whole in self._whole.items():
                if members in cuts:
                    whole.clear()
                else:
                    whole.set()
            write_atomically(self._folder / SEEN, msgspec.json.encode(sorted(cuts)))

    async def _carry(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        whole, writers = self._whole[pair(way.source, way.target)], [writer]
        try:
            held = await _held(reader, whole)
            far, back = await asyncio.open_connection(*_address(way.leads))
            writers.append(back)
            back.write(held)
            await asyncio.gather(_pump(reader, back, whole), _pump(far, writer, whole))
        except (OSError, asyncio.CancelledError):
            pass  # nobody is there, whoever asked has given up, or the relay ends
        finally:
            for each in writers:
                each.close()


async def _held(reader: asyncio.StreamReader, whole: asyncio.Event) -> bytes:
    """What is said into a cut wire until it is whole again; `ConnectionError` where its end is not awaited."""
    held = b""
    while not whole.is_set():
        mended, said = asyncio.ensure_future(whole.wait()), asyncio.ensure_future(reader.read(CHUNK))
        await asyncio.wait((mended, said), return_when=asyncio.FIRST_COMPLETED)
        mended.cancel()
        if not said.done():
            said.cancel()
            with suppress(asyncio.CancelledError):
                held += await said
            break
        if not said.result() or len(held) > CHUNK:
            raise ConnectionError
        held += said.result()
    return held


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, whole: asyncio.Event) -> None:
    """Carry one direction, its end included, whenever the wire is whole."""
    try:
        while data := await reader.read(CHUNK):
            await whole.wait()
            writer.write(data)
            await writer.drain()
    except OSError:
        await whole.wait()
        writer.close()
        return
    await whole.wait()
    if writer.can_write_eof() and not writer.is_closing():
        writer.write_eof()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main(folder: Path) -> None:
    """Be the relay of ``folder``."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if most == resource.RLIM_INFINITY else min(FILES, most), most))
    asyncio.run(Relay(folder).run())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
