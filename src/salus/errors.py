"""The whole error tree, drawn once.

::

    SalusError                  one clear line, a stable (codespace, code)
    ├── Malformed               bytes that do not decode strictly          codespace "codec"
    ├── CryptoRefused           a key, signature or ciphertext refused     codespace "crypto"
    ├── LedgerRefused           a transaction or proof refused             codespace "ledger"
    ├── WarrantRefused          a warrant, holder proof or receipt refused codespace "warrants"
    ├── ChartRefused            an entry, grant or fold refused            codespace "charts"
    ├── FhirRefused             a resource refused                         codespace "fhir"
    ├── NodeRefused             a node's shell refused (limits, storage)   codespace "node"
    ├── AgentRefused            an agent cannot do what was asked          codespace "agent"
    ├── ClaimFailed             a claim of the story is untrue             codespace "demo"
    └── Misused                 the command line was misused (exit 2)      codespace "cli"

Every code that is raised anywhere stands in ``spec/errors.md``; ``tests/test_architecture.py`` holds the two together.
The text of an error never carries a secret, a name or a diagnosis. ``code`` is lower-case words joined by hyphens.
"""

from __future__ import annotations

import os
from typing import ClassVar


class SalusError(Exception):
    """A refusal that a person or a machine can act on.

    ``code`` is stable and documented in ``spec/errors.md``; ``text`` is one line for people.
    """

    codespace: ClassVar[str] = "salus"

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    @property
    def full_code(self) -> str:
        """``codespace/code``, unique over the whole project."""
        return f"{self.codespace}/{self.code}"

    def __str__(self) -> str:
        return f"{self.full_code}: {self.text}" if self.text else self.full_code


class Malformed(SalusError):
    """Bytes that are not the one canonical form of what was expected."""

    codespace = "codec"


class CryptoRefused(SalusError):
    """A key, a signature or a ciphertext that does not check."""

    codespace = "crypto"


class LedgerRefused(SalusError):
    """A transaction, a block, a header or a proof that the ledger's rules refuse."""

    codespace = "ledger"


class WarrantRefused(SalusError):
    """A warrant, a holder's proof or a receipt that does not check."""

    codespace = "warrants"


class ChartRefused(SalusError):
    """An entry, a grant or a fold that does not check."""

    codespace = "charts"


class FhirRefused(SalusError):
    """A FHIR document that cannot be parsed, or an authored one that is not valid."""

    codespace = "fhir"


class NodeRefused(SalusError):
    """A node's own limits, storage or configuration refuse."""

    codespace = "node"


class AgentRefused(SalusError):
    """An agent cannot do what its principal asked, and says why."""

    codespace = "agent"


class ClaimFailed(SalusError):
    """A sentence of the story turned out to be untrue."""

    codespace = "demo"


class Misused(SalusError):
    """A command was called in a way that it does not understand."""

    codespace = "cli"


def refusal(full_code: str, text: str) -> SalusError:
    """The error that ``codespace/code`` names, as it was raised elsewhere; `ValueError` for an unknown codespace."""
    codespace, _, code = full_code.partition("/")
    for kind in SalusError.__subclasses__():
        if kind.codespace == codespace:
            return kind(code, text)
    raise ValueError("unknown codespace")


def storage_failed(error: OSError) -> NodeRefused:
    """The refusal for what the operating system says of a file, without naming the file."""
    reason = os.strerror(error.errno) if error.errno else "it refuses"
    return NodeRefused("storage-failed", f"the disk cannot be read or written: {reason}")
