"""``python -m salus`` is the command ``salus``."""

from salus.cli import main

main()
