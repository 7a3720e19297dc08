"""The command line: one file per group of commands; each parses, calls a service, prints.

Commands import what they need when they run: ``salus verify --proof`` loads neither agent nor node. Annotations of commands are
evaluated where they stand: as text, the framework would compile each of them at every start.
"""

from salus.cli.app import main

__all__ = ["main"]
