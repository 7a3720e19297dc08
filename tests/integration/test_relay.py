"""The wires between members of a localnet, as a process between real sockets: what they carry, and that they can be cut."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from node_world import code
from salus.localnet import Localnet, Member
from salus.processes import begin, noted, signal_noted
from salus.relay import CHUNK, SEEN, WAYS, Way, pair, write_cuts

PATIENCE = 20.0  # seconds for what must come
SILENCE = 0.3  # seconds in which nothing may come


class Wire:
    """A relay with one way from a to b, and who listens at its end."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.far = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.begins = free.getsockname()
        ways = [Way("a", "b", _text(self.begins), _text(self.far.getsockname()))]
        (folder / WAYS).write_bytes(msgspec.json.encode(ways))
        begin("salus.relay", [str(folder)], folder / "relay.log", folder / "relay.pid", dict(os.environ))
        stack.callback(signal_noted, folder / "relay.pid", signal.SIGKILL)
        self.until(lambda: (folder / SEEN).exists())

    def set(self, whole: bool) -> None:
        """Cut it, or mend it."""
        wanted = write_cuts(self.folder, [] if whole else [pair("b", "a")])
        signal_noted(self.folder / "relay.pid", signal.SIGHUP)
        self.until(lambda: (self.folder / SEEN).read_bytes() == wanted)

    def dial(self) -> socket.socket:
        """A connection's near end."""
        return self._patient(socket.create_connection(self.begins, PATIENCE))

    def answer(self) -> socket.socket:
        """Its far end."""
        self.far.settimeout(PATIENCE)
        return self._patient(self.far.accept()[0])

    def until(self, so: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not so():
            assert time.monotonic() < deadline
            assert noted(self.folder / "relay.pid"), (self.folder / "relay.log").read_text()
            time.sleep(0.01)

    def _patient(self, made: socket.socket) -> socket.socket:
        made.settimeout(PATIENCE)
        return self._stack.enter_context(made)


def _text(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


def silent(end: socket.socket) -> bool:
    """Whether nothing comes, and no end."""
    end.settimeout(SILENCE)
    try:
        return end.recv(1) is None
    except TimeoutError:
        return True
    finally:
        end.settimeout(PATIENCE)


def whole(end: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (more := end.recv(size - len(got))):
        got += more
    return got


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with ExitStack() as stack:
        yield Wire(tmp_path, stack)


def test_a_whole_wire_carries_both_ways_and_the_end_of_one_way(wire: Wire) -> None:
    near, far = wire.dial(), wire.answer()
    near.sendall(b"q" * 3 * CHUNK)
    assert whole(far, 3 * CHUNK) == b"q" * 3 * CHUNK
    near.shutdown(socket.SHUT_WR)
    assert far.recv(1) == b""
    far.sendall(b"answer")
    assert whole(near, 6) == b"answer"
    far.close()
    assert near.recv(1) == b""


def test_a_cut_wire_carries_nothing_not_even_an_end_and_goes_on_when_it_is_whole(wire: Wire) -> None:
    """NET-30."""
    near, far = wire.dial(), wire.answer()
    near.sendall(b"1")
    assert far.recv(1) == b"1"
    wire.set(False)
    near.sendall(b"2")
    far.sendall(b"3")
    far.close()
    assert silent(near)
    wire.set(True)
    assert whole(near, 2) == b"3"  # and then its end


def test_what_begins_on_a_cut_wire_is_not_answered_until_it_is_whole(wire: Wire) -> None:
    """NET-30."""
    wire.set(False)
    near, gone = wire.dial(), wire.dial()
    near.sendall(b"hello")
    gone.close()
    assert silent(near)
    wire.set(True)
    assert whole(wire.answer(), 5) == b"hello"
    near.close()
    wire.far.settimeout(SILENCE)
    with pytest.raises(TimeoutError):
        wire.far.accept()  # who had given up is not announced


def test_who_is_not_there_is_not_reached_and_the_relay_goes_on(wire: Wire) -> None:
    address = wire.far.getsockname()
    wire.far.close()
    with pytest.raises((ConnectionError, AssertionError)):
        assert wire.dial().recv(1)
    wire.far = socket.create_server(address)
    near, far = wire.dial(), wire.answer()
    far.sendall(b"4")
    assert near.recv(1) == b"4"
    wire.far.close()


def test_a_relay_whose_folder_is_gone_ends(wire: Wire) -> None:
    (wire.folder / WAYS).unlink()
    deadline = time.monotonic() + PATIENCE
    while noted(wire.folder / "relay.pid"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_who_is_cut_off_from_whom_adds_up_and_is_mended_by_member(tmp_path: Path) -> None:
    net = Localnet(tmp_path)
    (tmp_path / "localnet.json").write_bytes(msgspec.json.encode([Member(name, f"http://{name}", name) for name in "abcd"]))
    assert net.wires() == "none"
    assert code(lambda: net.cut(["a"])) == "agent/wrong-cut"
    ways = [Way(one, other, "127.0.0.1:1", "127.0.0.1:1") for one in "abcd" for other in "abcd" if one != other]
    (tmp_path / WAYS).write_bytes(msgspec.json.encode(ways))
    assert net.wires() == "down"

    def off() -> dict[str, str]:
        return {one.member.name: "".join(one.cut_off) for one in map(net.seen, net.members())}

    assert code(lambda: net.cut(["a", "b", "c", "d"])) == "agent/wrong-cut"
    assert code(lambda: net.cut(["a", "z"])) == "agent/no-such-localnet-member"
    net.cut(["a", "b"])
    assert off() == {"a": "cd", "b": "cd", "c": "ab", "d": "ab"}
    net.cut(["D"])
    assert off() == {"a": "cd", "b": "cd", "c": "abd", "d": "abc"}
    net.mend(["a"])
    assert off() == {"a": "", "b": "cd", "c": "bd", "d": "bc"}
    net.mend()
    assert off() == {"a": "", "b": "", "c": "", "d": ""}
