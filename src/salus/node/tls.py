"""How the API answers in TLS: by a generated key and certificate, or by the operator's own. It loads with the HTTP server.

::

    HOME/node/tls.pem    the generated key and its certificate (0600); made anew at a start when it is missing or nears its end

The generated key follows from ``node.key``, and the pin from the key: both outlive the file. Whoever goes by the pin looks at
nothing else of the certificate, so nothing of the member is in it; it names this machine alone, for programs on it.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from salus.crypto.transport import TransportKey, pin_of
from salus.durable import write_atomically
from salus.errors import NodeRefused
from salus.node.config import Config, OwnCertificate, generates

GENERATED = "tls.pem"
LASTS, RENEWED, BACK = timedelta(days=397), timedelta(days=30), timedelta(days=1)


@dataclass(frozen=True)
class Ending:
    """What TLS ends with, and the pin of the key that answers."""

    context: ssl.SSLContext
    pin: bytes


def ending(config: Config, node: Path, seed: bytes, now: int) -> Ending | None:
    """How the node whose folder is ``node`` answers; None for plain HTTP. ``seed`` is the node's, ``now`` in ms.

    `NodeRefused` ``bad-certificate`` for files that cannot be used.
    """
    if isinstance(config.tls, OwnCertificate):
        certificate = own_certificate(config.tls, node)
        files, oldest = (node / config.tls.certificate, node / config.tls.key), ssl.TLSVersion.TLSv1_2
        return Ending(_context(*files, oldest), pin_of(certificate.public_key()))
    if not generates(config):
        return None
    key, file = TransportKey(seed), node / GENERATED
    if not _lasting(file, key, now):
        write_atomically(file, key.pem() + _certificate(key, now).public_bytes(Encoding.PEM))
    return Ending(_context(file, file, ssl.TLSVersion.TLSv1_3), key.pin)


def own_certificate(own: OwnCertificate, node: Path) -> x509.Certificate:
    """The first certificate of the operator's file, whose key is the operator's; `NodeRefused` ``bad-certificate``."""
    try:
        certificate = x509.load_pem_x509_certificates((node / own.certificate).read_bytes())[0]
        key = load_pem_private_key((node / own.key).read_bytes(), None)
        matches = pin_of(key.public_key()) == pin_of(certificate.public_key())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NodeRefused(
            "bad-certificate", "what config.toml names under tls is no certificate and no key in PEM, or the key is locked"
        ) from error
    if not matches:
        raise NodeRefused("bad-certificate", "the key that config.toml names under tls is not the first certificate's")
    return certificate


def _context(certificate: Path, key: Path, oldest: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.num_tickets = oldest, 0  # nobody resumes
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise NodeRefused("bad-certificate", "this machine's TLS takes the certificate or the key for too weak") from error
    return context


def _lasting(file: Path, key: TransportKey, now: int) -> bool:
    """Whether the file holds this key, and a certificate of it that lasts for a while."""
    try:
        data = file.read_bytes()
        certificate = x509.load_pem_x509_certificate(data)
        whole = data.startswith(key.pem()) and pin_of(certificate.public_key()) == key.pin
    except (OSError, ValueError, UnsupportedAlgorithm):
        return False
    begun, day = certificate.not_valid_before_utc, datetime.fromtimestamp(now / 1000, UTC)
    return whole and begun <= day < certificate.not_valid_after_utc - RENEWED


def _certificate(key: TransportKey, now: int) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Salus node")])
    here = [x509.DNSName("localhost"), *(x509.IPAddress(ip_address(text)) for text in ("127.0.0.1", "::1"))]
    day = datetime.fromtimestamp(now / 1000, UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(x509.random_serial_number())
    made = made.not_valid_before(day - BACK).not_valid_after(day + LASTS)
    made = made.public_key(key.private.public_key()).add_extension(x509.SubjectAlternativeName(here), critical=False)
    return made.sign(key.private, SHA256())
