"""The API in TLS: whose key answers is known before anything is said, and a handshake that goes wrong ends alone."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from node_world import NODE_SEED, NodeWorld, founding, running
from salus.codec import Malformed, Record, decode, encode
from salus.crypto.transport import TransportKey, pin_of
from salus.errors import SalusError
from salus.exchange.addressing import Address, pinned, split_pin
from salus.exchange.client import NodeClient
from salus.exchange.pinning import context_for
from salus.node.config import Config, OwnCertificate, read_announced
from salus.node.http import configured, listen
from salus.node.logs import logging_config
from salus.node.operating.checking import Findings
from salus.node.operating.doctoring import doctor
from salus.node.peers import PeerClient
from salus.node.tls import GENERATED, RENEWED, Ending, ending

GENERATES = Config(tls="generated")
NOW = 1_800_000_000_000
ZERO = f"{'A' * 43}"


def code(act: Callable[[], object]) -> str:
    with pytest.raises(SalusError) as refused:
        act()
    return refused.value.full_code


def text(act: Callable[[], object]) -> str:
    with pytest.raises(SalusError) as refused:
        act()
    return refused.value.text


def asked(address: str, kind: type[NodeClient] = NodeClient) -> Callable[[], object]:
    """The node's word of itself, by a connection of its own."""

    def ask() -> object:
        with contextlib.closing(kind(address, 10.0)) as client:
            return client.status()

    return ask


def made(folder: Path, *, days: int = 90, host: str = "node.example", key: Any = None, locked: bool = False) -> OwnCertificate:
    """An operator's own certificate that lasts for so many days from `NOW` on, and its key."""
    key, name = key or generate_private_key(SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    day = datetime.fromtimestamp(NOW / 1000, UTC)
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    with contextlib.suppress(ValueError):
        names = [x509.IPAddress(ip_address(host))]
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7).public_key(key.public_key())
    builder = builder.not_valid_before(day - timedelta(days=9000)).not_valid_after(day + timedelta(days=days))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    folder.mkdir(exist_ok=True)
    (folder / "own.pem").write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    secret = BestAvailableEncryption(b"secret") if locked else NoEncryption()
    (folder / "own.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    return OwnCertificate("own.pem", "own.key")


def generated(folder: Path) -> Ending:
    found = ending(GENERATES, folder, NODE_SEED, NOW)
    assert found is not None
    return found


@contextlib.contextmanager
def serving(world: NodeWorld, tls: Ending | None) -> Iterator[tuple[str, int]]:
    """The node's API on a loopback port, as it is really served."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(configured(world.node, tls and tls.context))
    worker = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    worker.start()
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        worker.join()
        listener.close()


@contextlib.contextmanager
def listening(context: ssl.SSLContext) -> Iterator[tuple[str, list[bytes]]]:
    """Whoever it is that answers one connection in TLS: where, and what was said to it behind the handshake."""
    heard: list[bytes] = []

    def answer() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection, context.wrap_socket(connection, server_side=True) as wrapped:
                heard.append(wrapped.recv(65_536))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        worker = threading.Thread(target=answer)
        worker.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", heard
        worker.join()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the server and its event loop log."""
    said: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(logging_config("text")["formatters"]["line"]["()"]().format(record))

    handler, loggers = Keeping(), [logging.getLogger(name) for name in ("uvicorn", "asyncio")]
    for logger in loggers:
        logger.addHandler(handler)
    yield said
    for logger in loggers:
        logger.removeHandler(handler)


class Addressed(Record, frozen=True, tag="addressed"):
    """An address as others send it."""

    address: Address


@pytest.mark.parametrize(
    "address",
    ["", "http://a.example", "https://a.example:1", f"https://a.example#pin-sha256={ZERO}", f"https://[::1]:9#pin-sha256={ZERO}"],
)
def test_an_address_may_carry_a_pin(address: str) -> None:
    """NET-50."""
    assert decode(encode(Addressed(address)), Addressed, limit=999).address == address
    url, pin = split_pin(address)
    assert (url, pin) == (address.partition("#")[0], bytes(32) if "#" in address else None)
    assert pin is None or pinned(url, pin) == address == pinned(pinned(url, bytes([1] * 32)), pin)


@pytest.mark.parametrize(
    "address",
    [
        f"http://a.example#pin-sha256={ZERO}",
        f"#pin-sha256={ZERO}",
        "https://a.example#",
        "https://a.example#pin-sha256=",
        f"https://a.example#pin-sha256={ZERO[1:]}",
        f"https://a.example#pin-sha256={ZERO}=",
        f"https://a.example#pin-sha256={ZERO[1:]}B",
        f"https://a.example#pin-sha256={ZERO[1:]}+",
        f"https://a.example#pin-sha256={ZERO}\n",
        f"https://a.example/#pin-sha256={ZERO}",
        f"https://a.example#pin-sha512={ZERO}",
        f"https://a.example#pin-sha256={ZERO}#pin-sha256={ZERO}",
        f"https://{'a' * 200}#pin-sha256={ZERO}",
    ],
)
def test_a_malformed_pin_is_refused(address: str) -> None:
    """NET-50."""
    with pytest.raises(Malformed):
        decode(encode(Addressed(address)), Addressed, limit=999)


def test_the_pinned_key_is_all_that_is_asked_for(tmp_path: Path) -> None:
    """NET-51: it is certified by itself, for another host, and has ended."""
    own = made(tmp_path / "own", days=-1)
    tls = ending(Config(tls=own), tmp_path / "own", NODE_SEED, NOW)
    assert tls is not None
    with running(tmp_path / "node") as world, serving(world, tls) as (host, port):
        url = f"https://{host}:{port}"
        assert asked(pinned(url, tls.pin))() == world.node.status()
        assert code(asked(url)) == "agent/wrong-certificate"
        assert code(asked(pinned(url, bytes(32)))) == "agent/wrong-certificate"
        assert code(asked(pinned(url, bytes(32)), PeerClient)) == "node/wrong-certificate"


def test_another_key_is_refused_before_a_byte_of_the_request_is_sent(tmp_path: Path) -> None:
    """NET-51."""
    tls = generated(tmp_path)
    for pin, expected in ((TransportKey(bytes(32)).pin, [b""]), (tls.pin, None)):
        with listening(tls.context) as (url, heard):
            assert code(asked(pinned(url, pin))) == ("agent/wrong-certificate" if expected else "agent/node-unreachable")
        assert heard == expected or (not expected and heard[0].startswith(b"GET /v1/status "))


def test_without_a_pin_the_host_name_and_an_authority_of_this_machine_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NET-51."""
    day = (datetime.now(UTC) - datetime.fromtimestamp(NOW / 1000, UTC)).days
    with running(tmp_path / "node") as world:
        for host, expected in (("127.0.0.1", ""), ("node.example", "agent/wrong-certificate")):
            folder = tmp_path / host
            tls = ending(Config(tls=made(folder, days=day + 9, host=host)), folder, NODE_SEED, NOW)
            monkeypatch.setenv("SSL_CERT_FILE", str(folder / "own.pem"))  # OpenSSL's own name for it
            with serving(world, tls) as (_, port):
                ask = asked(f"https://127.0.0.1:{port}")
                assert (code(ask) if expected else ask()) == (expected or world.node.status())


def test_a_pinned_node_is_spoken_to_in_tls_1_3_alone(tmp_path: Path) -> None:
    """NET-51, NET-53."""
    own = made(tmp_path / "own")
    tls = ending(Config(tls=own), tmp_path / "own", NODE_SEED, NOW)
    assert tls is not None
    tls.context.maximum_version = ssl.TLSVersion.TLSv1_2
    with listening(tls.context) as (url, heard):
        assert "does not speak the TLS" in text(asked(pinned(url, tls.pin)))
    assert heard == []
    with running(tmp_path / "node") as world:
        with serving(world, tls) as address, contextlib.closing(socket.create_connection(address)) as plain:
            assert _shakes(_older(tls.pin), plain)  # whoever comes without a pin may
        found = generated(tmp_path)
        with serving(world, found) as address, contextlib.closing(socket.create_connection(address)) as plain:
            assert not _shakes(_older(found.pin), plain)


def _older(pin: bytes) -> ssl.SSLContext:
    context = context_for(pinned("https://x", pin))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def _shakes(context: ssl.SSLContext, connection: socket.socket) -> bool:
    try:
        context.wrap_socket(connection).close()
    except ssl.SSLError:
        return False
    return True


def test_https_where_http_is_spoken_and_the_reverse_are_one_clear_refusal(tmp_path: Path) -> None:
    """NET-51: nothing is tried again in plain text."""
    tls = generated(tmp_path)
    with running(tmp_path / "node") as world:
        with serving(world, None) as (host, port):
            assert "does not speak the TLS" in text(asked(pinned(f"https://{host}:{port}", tls.pin)))
            assert code(asked(f"https://{host}:{port}")) == "agent/node-unreachable"
        with serving(world, tls) as (host, port):
            assert "its address begins with https" in text(asked(f"http://{host}:{port}"))


GARBAGE = {
    "a request in plain text": b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n",
    "noise": bytes(range(256)) * 64,
    "a record without end": b"\x16\x03\x01\xff\xff" + bytes(70_000),
    "a handshake of another kind": b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "half a record": b"\x16\x03\x01\x02\x00\x01",
    "nothing": b"",
}


def test_a_handshake_that_goes_wrong_or_never_ends_is_closed_and_the_log_tells_nothing(
    tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NET-52."""
    monkeypatch.setattr("salus.node.http.SHAKE", 0.2)
    tls = generated(tmp_path)
    with running(tmp_path / "node") as world, serving(world, tls) as address:
        for sent in GARBAGE.values():
            with socket.create_connection(address, 30) as connection, contextlib.suppress(ConnectionError):
                connection.sendall(sent)
                while connection.recv(65_536):
                    pass  # until the other side closes
            with socket.create_connection(address) as gone:
                gone.sendall(sent[:7])
        assert asked(pinned("https://{}:{}".format(*address), tls.pin))() == world.node.status()
    assert lines == []


def test_the_generated_key_follows_from_the_nodes_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """NET-53."""
    first, data = generated(tmp_path), (tmp_path / GENERATED).read_bytes()
    assert stat.S_IMODE((tmp_path / GENERATED).stat().st_mode) == 0o600
    assert generated(tmp_path).pin == first.pin == TransportKey(NODE_SEED).pin
    assert (tmp_path / GENERATED).read_bytes() == data
    assert TransportKey(bytes(32)).pin != first.pin
    certificate = x509.load_pem_x509_certificate(data)
    assert pin_of(certificate.public_key()) == first.pin
    assert certificate.subject.rfc4514_string() == "CN=Salus node"


def _another(file: Path) -> None:
    file.write_bytes(TransportKey(bytes(32)).pem() + file.read_bytes())


@pytest.mark.parametrize(
    "change",
    [Path.unlink, lambda file: file.write_bytes(b"x"), lambda file: file.write_bytes(file.read_bytes()[:300]), _another],
    ids=["lost", "noise", "cut off", "another key"],
)
def test_a_damaged_file_is_made_anew_and_the_pin_stays(tmp_path: Path, change: Callable[[Path], object]) -> None:
    """NET-53."""
    pin = generated(tmp_path).pin
    change(tmp_path / GENERATED)
    assert generated(tmp_path).pin == pin
    assert (tmp_path / GENERATED).read_bytes().startswith(TransportKey(NODE_SEED).pem())


@pytest.mark.parametrize("later", [-timedelta(days=2), timedelta(days=397) - RENEWED, timedelta(days=4000)])
def test_a_certificate_near_its_end_is_made_anew_and_the_pin_stays(tmp_path: Path, later: timedelta) -> None:
    """NET-53: so it is where the clock was wrong."""
    first, now = generated(tmp_path), NOW + int(later.total_seconds() * 1000)
    old = (tmp_path / GENERATED).read_bytes()
    found = ending(GENERATES, tmp_path, NODE_SEED, now)
    assert found is not None
    assert found.pin == first.pin
    assert (tmp_path / GENERATED).read_bytes() != old
    renewed = x509.load_pem_x509_certificate((tmp_path / GENERATED).read_bytes())
    assert renewed.not_valid_before_utc < datetime.fromtimestamp(now / 1000, UTC) < renewed.not_valid_after_utc


@pytest.mark.parametrize(
    ("config", "answers"),
    [
        (Config(), False),
        (Config(host="localhost"), False),
        (Config(host="::1"), False),
        (Config(host="0.0.0.0"), True),
        (Config(host="::"), True),
        (Config(host="node.example"), True),
        (Config(host="0.0.0.0", tls="off"), False),
        (Config(tls="generated"), True),
    ],
)
def test_a_node_answers_in_tls_where_it_listens_on_more_than_the_loopback(tmp_path: Path, config: Config, answers: bool) -> None:
    """NET-52."""
    assert (ending(config, tmp_path, NODE_SEED, NOW) is not None) == answers
    assert (tmp_path / GENERATED).exists() == answers


def announced(folder: Path, lines: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "node.key").write_text(NODE_SEED.hex())
    (folder / "config.toml").write_text(lines)
    return read_announced(folder).address


OWN = '[tls]\ncertificate = "own.pem"\nkey = "own.key"\n'
PIN = TransportKey(NODE_SEED).pin


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ('tls = "generated"\naddress = "https://a.example"', pinned("https://a.example", PIN)),
        (f'tls = "generated"\naddress = "{pinned("https://a.example", PIN)}"', pinned("https://a.example", PIN)),
        ('host = "0.0.0.0"\naddress = "https://a.example:1"', pinned("https://a.example:1", PIN)),
        ('address = "https://a.example"\n' + OWN, "https://a.example"),
        (f'address = "https://a.example#pin-sha256={ZERO}"\n{OWN}', f"https://a.example#pin-sha256={ZERO}"),
        ('address = "https://a.example"', "https://a.example"),
        ('tls = "generated"', ""),
    ],
)
def test_a_generated_key_is_in_the_address_that_others_are_told(tmp_path: Path, lines: str, address: str) -> None:
    """NET-52."""
    assert announced(tmp_path, lines) == address


@pytest.mark.parametrize(
    "lines",
    [
        'tls = "generated"\naddress = "http://a.example"',
        'address = "http://a.example"\n' + OWN,
        f'tls = "generated"\naddress = "https://a.example#pin-sha256={ZERO}"',
        f'tls = "generated"\naddress = "https://{"a" * 200}"',
        f'address = "http://a.example#pin-sha256={ZERO}"',
        'tls = "on"',
        "tls = true",
        '[tls]\ncertificate = "own.pem"',
        '[tls]\ncertificate = "own.pem"\nkey = ""',
        '[tls]\ncertificate = "own.pem"\nkey = "own.key"\npassphrase = "x"',
    ],
)
def test_a_configuration_that_does_not_fit_to_how_the_node_answers_is_refused(tmp_path: Path, lines: str) -> None:
    """NET-52."""
    assert code(lambda: announced(tmp_path, lines)) == "node/bad-config"


def _other_key(folder: Path) -> None:
    key = (folder / "own.key").read_bytes()
    made(folder)
    (folder / "own.key").write_bytes(key)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "own.pem").unlink(),
        lambda folder: (folder / "own.key").unlink(),
        lambda folder: (folder / "own.pem").write_bytes(b""),
        lambda folder: (folder / "own.pem").write_bytes((folder / "own.key").read_bytes()),
        lambda folder: (folder / "own.key").write_bytes((folder / "own.pem").read_bytes()),
        lambda folder: made(folder, locked=True),
        _other_key,
    ],
    ids=["no certificate", "no key", "an empty file", "a key for a certificate", "the reverse", "a locked key", "another key"],
)
def test_a_certificate_and_key_that_cannot_be_used_stop_the_start_in_one_line(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    """NET-54."""
    own = made(tmp_path)
    damage(tmp_path)
    assert code(lambda: ending(Config(tls=own), tmp_path, NODE_SEED, NOW)) == "node/bad-certificate"
    assert "\n" not in text(lambda: ending(Config(tls=own), tmp_path, NODE_SEED, NOW))


@pytest.mark.parametrize(
    ("days", "found"),
    [(90, "which ends on 2027-04-15; reached at https://a.example"), (9, "in 9 days: renew it"), (-1, "node/certificate-over")],
)
def test_doctor_says_when_an_own_certificate_ends(tmp_path: Path, days: int, found: str) -> None:
    """NET-54."""
    announced(tmp_path / "node", 'address = "https://a.example"\n' + OWN)
    made(tmp_path / "node", days=days)
    (row,) = [row for row in doctor(Findings(), tmp_path, founding(), NOW, None) if row.what == "tls"]
    assert found == row.code or (not row.code and found in row.text)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("", "plain HTTP"),
        ('tls = "generated"\naddress = "https://a.example"', pinned("https://a.example", PIN)),
        ('tls = "generated"\naddress = "http://a.example"', "node/bad-config"),
        (OWN, "node/bad-certificate"),
    ],
)
def test_doctor_says_how_the_node_answers_and_where(tmp_path: Path, lines: str, found: str) -> None:
    """NET-52."""
    with contextlib.suppress(SalusError):
        announced(tmp_path / "node", lines)
    (row,) = [row for row in doctor(Findings(), tmp_path, founding(), NOW, None) if row.what == "tls"]
    assert found == row.code or (not row.code and found in row.text)


def test_an_own_certificate_answers_by_its_own_key(tmp_path: Path) -> None:
    """NET-54."""
    key = generate_private_key(SECP256R1())
    found = ending(Config(tls=made(tmp_path, key=key)), tmp_path, NODE_SEED, NOW)
    assert found is not None
    assert found.pin == pin_of(key.public_key())
    assert not (tmp_path / GENERATED).exists()
    assert msgspec.structs.replace(GENERATES, tls="off") == Config(tls="off")
