"""The stage of the story: scenes, sentences, and claims that are checked while the audience watches."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from salus.errors import ClaimFailed, SalusError


@dataclass
class Stage:
    """Narrates on ``console`` and counts the claims that were checked."""

    console: Console = field(default_factory=lambda: Console(highlight=False, width=100))
    claims: int = 0
    scenes: int = 0
    began: float = field(default_factory=time.monotonic)

    def scene(self, title: str) -> None:
        """Begin a new scene."""
        self.scenes += 1
        self.console.print()
        self.console.rule(f"[bold]{self.scenes}. {title}[/bold]", align="left")

    def say(self, sentence: str) -> None:
        """Tell something that is not itself a claim."""
        self.console.print(Text(f"  {sentence}"))

    def show(self, block: str, lines: int = 0) -> None:
        """Show a block as it is, or its first ``lines`` lines."""
        shown = block.splitlines()
        for line in shown[:lines] if lines else shown:
            self.console.print(Text(f"  │ {line}"), soft_wrap=False, overflow="ellipsis", no_wrap=True)
        if lines and len(shown) > lines:
            self.console.print(Text(f"  │ … {len(shown) - lines} more lines"))

    def claim(self, sentence: str, holds: bool) -> None:
        """Say ``sentence`` and raise `ClaimFailed` unless it holds."""
        mark, style = ("✓", "green") if holds else ("✗", "red")
        self.console.print(Text.assemble("  ", (mark, style), " ", sentence))
        if not holds:
            raise ClaimFailed("claim-failed", sentence)
        self.claims += 1

    def refused(self, sentence: str, code: str, act: Callable[[], object]) -> None:
        """Claim that ``act`` is refused with the full code ``code``."""
        try:
            act()
        except SalusError as error:
            self.claim(f"{sentence} ({error.full_code})", error.full_code == code)
        else:
            self.claim(f"{sentence}: it was not refused", False)

    def end(self) -> None:
        """The last line."""
        seconds = time.monotonic() - self.began
        self.console.print()
        self.console.rule(f"[bold green]{self.claims} claims checked, all true, in {seconds:.0f} s[/bold green]", align="left")
