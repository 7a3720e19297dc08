"""One real engine: it makes blocks, answers, stops in order, goes on, and does not outlive its application."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from salus.crypto.signing import SigningKey
from salus.errors import NodeRefused
from salus.ids import Millis
from salus.node.comet.abci_pb2 import ProcessProposalResponse, Request, Response
from salus.node.comet.binary import CHECKOUT, find_engine
from salus.node.comet.configuring import EngineHome, peer_id, write_engine_home
from salus.node.comet.process import EngineProcess
from salus.node.comet.rpc import Rpc, Status
from salus.node.comet.signing import begin_key, signed_name

pytestmark = pytest.mark.slow
VALIDATOR = SigningKey(b"\1" * 32)
PAUSE = threading.Event()  # never set: a wait on it lets the engine work


@pytest.fixture(scope="session")
def binary() -> Path:
    try:
        return find_engine()
    except NodeRefused as refused:
        if refused.code != "no-engine" or shutil.which("go") is None:
            pytest.skip(f"no engine to run: {refused.text}")
    subprocess.run(["make", "engine"], cwd=CHECKOUT, check=True)
    return find_engine()


@pytest.fixture
def home() -> Iterator[EngineHome]:
    """A folder with a short name, for its sockets."""
    with tempfile.TemporaryDirectory(prefix="engine-", dir="/tmp") as name, socket.create_server(("127.0.0.1", 0)) as free:
        folder = Path(name)
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        begin_key(folder / "home", 0)
        yield EngineHome(
            folder=folder / "home",
            chain="salus-test",
            app_version=1,
            genesis_time=Millis(1_764_000_000_000),
            validators=((VALIDATOR.public, "a"),),
            validator_seed=b"\1" * 32,
            peer_seed=b"\2" * 32,
            signed=signed_name(0),
            app_socket=folder / "app.sock",
            rpc_socket=folder / "rpc.sock",
            listen=address,
            header_interval=200,
            local=True,
        )


@pytest.fixture
def engine(binary: Path, home: EngineHome) -> Iterator[EngineProcess]:
    process = EngineProcess(binary, home.folder, home.folder.parent / "log")
    yield process
    process.stop(5)


@pytest.fixture
def rpc(home: EngineHome) -> Rpc:
    return Rpc(home.rpc_socket)


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; the test's own bound ends the wait."""
    while not holds():
        PAUSE.wait(0.05)


def reached(engine: EngineProcess, rpc: Rpc, height: int) -> Status:
    """The engine's status once it has ``height``."""
    found: list[Status] = []

    def there() -> bool:
        engine.require_alive()
        with suppress(NodeRefused):
            found.append(rpc.status())
        return bool(found) and found[-1].height >= height

    until(there)
    return found[-1]


def test_a_real_engine_orders_answers_and_goes_on_after_a_stop(engine: EngineProcess, rpc: Rpc, home: EngineHome) -> None:
    write_engine_home(home, app="kvstore")
    engine.start(home.rpc_socket)
    assert not reached(engine, rpc, 2).catching_up
    assert rpc.broadcast(b"a=b").code == 0
    assert rpc.broadcast(b"a=b").again
    assert rpc.broadcast(b"no pair").code != 0
    assert rpc.commit(1)["header"]["chain_id"] == "salus-test"
    with pytest.raises(NodeRefused) as refused:
        rpc.commit(1_000_000)
    assert refused.value.code == "no-such-height"
    with pytest.raises(NodeRefused) as refused:
        rpc.broadcast(b"a=" + b"b" * home.max_transaction)
    assert refused.value.code == "body-too-large"
    before = rpc.status().height
    assert engine.stop()
    assert not engine.alive
    write_engine_home(home, app="kvstore")
    engine.start(home.rpc_socket)
    assert reached(engine, rpc, before + 1)


def test_a_killed_engine_starts_again(engine: EngineProcess, rpc: Rpc, home: EngineHome) -> None:
    write_engine_home(home, app="kvstore")
    engine.start(home.rpc_socket)
    before = reached(engine, rpc, 2).height
    assert engine.pid
    os.kill(engine.pid, signal.SIGKILL)
    until(lambda: not engine.alive)
    assert home.rpc_socket.exists()
    engine.start(home.rpc_socket)
    assert reached(engine, rpc, before + 1)


def test_a_taken_port_is_said_in_a_line(engine: EngineProcess, home: EngineHome) -> None:
    host, _, port = home.listen.partition(":")
    with socket.create_server((host, int(port))):
        write_engine_home(home, app="kvstore")
        engine.start(home.rpc_socket)
        until(lambda: not engine.alive)
    with pytest.raises(NodeRefused, match="taken by another process") as refused:
        engine.require_alive()
    assert refused.value.code == "engine-stopped"


def received(stream: BinaryIO) -> Request | None:
    """The next request, or None at the connection's end."""
    size = shift = 0
    while byte := stream.read(1):
        size |= (byte[0] & 127) << shift
        shift += 7
        if byte[0] < 128:
            return Request.FromString(stream.read(size))
    return None


def answered(request: Request) -> bytes:
    """An application without a state: it takes every block and holds nothing."""
    name = request.WhichOneof("value")
    assert name
    response = Response()
    getattr(response, name).SetInParent()
    if name == "prepare_proposal":
        response.prepare_proposal.txs.extend(request.prepare_proposal.txs)
    if name == "process_proposal":
        response.process_proposal.status = ProcessProposalResponse.ACCEPT
    text = response.SerializeToString()
    assert len(text) < 128  # a length of one byte
    return bytes([len(text)]) + text


def serve(connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as stream, suppress(OSError):
        while request := received(stream):
            connection.sendall(answered(request))


def test_an_engine_ends_when_its_application_s_socket_closes(engine: EngineProcess, rpc: Rpc, home: EngineHome) -> None:
    write_engine_home(home)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(home.app_socket))
        server.listen()
        server.settimeout(60)
        engine.start(home.rpc_socket)
        connections = [server.accept()[0] for _ in range(4)]
        threads = [threading.Thread(target=serve, args=(connection,), daemon=True) for connection in connections]
        for thread in threads:
            thread.start()
        reached(engine, rpc, 2)
        for connection in connections:  # as the system does when the node is killed
            with contextlib.suppress(OSError):  # the engine has ended, and with it the other side, as the first one was closed
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
    until(lambda: not engine.alive)
    with pytest.raises(NodeRefused, match="application") as refused:
        engine.require_alive()
    assert refused.value.code == "engine-stopped"


def started(binary: Path, stack: ExitStack, home: EngineHome) -> tuple[EngineProcess, Rpc]:
    write_engine_home(home, app="kvstore")
    engine = EngineProcess(binary, home.folder, home.folder / "log")
    stack.callback(engine.stop, 5)
    engine.start(home.rpc_socket)
    return engine, Rpc(home.rpc_socket)


def another(home: EngineHome, number: int, listen: str) -> EngineHome:
    """Another member's engine, whose only peer is ``home``."""
    folder, seed = home.folder.parent, bytes([number]) * 32
    first = f"{peer_id(SigningKey(home.peer_seed).public)}@{home.listen}"
    return replace(
        home,
        folder=folder / str(number),
        rpc_socket=folder / f"{number}.sock",
        validator_seed=seed,
        peer_seed=seed,
        listen=listen,
        peers=(first,),
    )


def test_two_engines_that_name_each_other_order_together(binary: Path, home: EngineHome) -> None:
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        home = replace(home, validators=((VALIDATOR.public, "a"), (SigningKey(b"\3" * 32).public, "b")))
        second = another(home, 3, address)
        begin_key(second.folder, 0)
        home = replace(home, peers=(f"{peer_id(SigningKey(second.peer_seed).public)}@{second.listen}",))
        engine, rpc = started(binary, stack, home)
        reached(*started(binary, stack, second), 2)
        reached(engine, rpc, 2)
        assert len(rpc.commit()["commit"]["signatures"]) == 2
