"""Whose key answers: checked when the connection is made, before a byte of any request is sent.

It loads with the HTTP client.
"""

from __future__ import annotations

import ssl

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from salus.crypto.transport import pin_of
from salus.exchange.addressing import split_pin


class WrongKey(ssl.SSLCertVerificationError):
    """Another key answers than the one that the address is pinned to."""


class _Held(ssl.SSLSocket):
    """A connection that is closed unless the pinned key answers."""

    context: _Pinned

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, then hold the peer's key against the pin; `WrongKey`."""
        super().do_handshake(block)
        try:
            found = pin_of(x509.load_der_x509_certificate(self.getpeercert(binary_form=True) or b"").public_key())
        except (ValueError, UnsupportedAlgorithm):
            found = b""
        if found != self.context.pin:
            raise WrongKey("the peer has another key")


class _Pinned(ssl.SSLContext):
    pin: bytes
    sslsocket_class = _Held


def context_for(address: str) -> ssl.SSLContext:
    """How connections to the address are made: to the pinned key alone, or as this machine's authorities and the host name say.

    Where it is http, nobody is verified, and no TLS is spoken.
    """
    url, pin = split_pin(address)
    if pin is not None:
        context = _Pinned(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the pin is held, and nothing else is asked
        context.minimum_version, context.pin = ssl.TLSVersion.TLSv1_3, pin
        return context
    return ssl.create_default_context() if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
