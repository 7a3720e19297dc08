"""The command line: one file per group of commands; parses, calls, prints."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
