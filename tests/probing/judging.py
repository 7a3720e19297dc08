"""What came of every cell: whether it is what the table says, and how much leaks where nothing is checked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from probing import model
from probing.asking import Answer, ask_all
from probing.cast import play
from probing.cells import LOOK, Cell, Matrix
from probing.opening import Ciphertext
from probing.unchecked import ask_unchecked
from probing.world import Scene, State, Wave
from salus.exchange.posting import mailbox_id

WINDOW = 12  # bytes of sealed content that a refusal must not hold
_PROBLEM = {"type", "title", "status", "code"}


@dataclass
class Judge:
    """Holds answers against cells."""

    scene: Scene
    _clean: dict[bytes, bool] = field(default_factory=dict)

    @cached_property
    def sealed(self) -> bytes:
        """All blobs of the scene."""
        return b"".join(data for place in self.scene.places for data in (*place.blobs.values(), *place.packages))

    @cached_property
    def pieces(self) -> list[bytes]:
        """Pieces of all entries, from behind what every blob begins with."""
        blobs = [data for place in self.scene.places for data in place.blobs.values()]
        return [data[start : start + WINDOW] for data in blobs for start in range(64, len(data) - WINDOW, WINDOW)]

    def trouble(self, cell: Cell, answer: Answer, twins: Sequence[Answer]) -> str:
        """What is wrong with the answer; "" where nothing is."""
        if cell.allowed:
            shows = cell.right == LOOK and (self.scene.plain in answer.body or any(one in answer.body for one in self.pieces))
            return "shows what is sealed" if shows else "" if leaks(cell, answer) else f"was refused: {answer.code}"
        if leaks(cell, answer):
            return "leaked"
        if cell.code and answer.code != cell.code:
            return f"is refused by another code: {answer.code}"
        if not self._bare(answer):
            return "says more than a problem does"
        if any(twin != answer for twin in twins):
            return f"tells that it is there: {[answer.code, *(twin.code for twin in twins)]}"
        return ""

    def _bare(self, answer: Answer) -> bool:
        """A problem document of one short line, with no bytes of anything sealed and no plain word of it."""
        known = self._clean.get(answer.body)
        if known is None:
            pieces = (answer.body[start : start + WINDOW] for start in range(len(answer.body) - WINDOW + 1))
            foreign = self.scene.plain in answer.body or any(piece in self.sealed for piece in pieces)
            known = self._clean[answer.body] = set(json.loads(answer.body)) == _PROBLEM and len(answer.body) < 256 and not foreign
        length = str(len(answer.body)).encode()
        headers = ((b"content-length", length), (b"content-type", b"application/problem+json"))
        return known and answer.headers == headers


def leaks(cell: Cell, answer: Answer) -> bool:
    """Whether what was asked for was done or shown."""
    if not cell.shown:
        return answer.status == 200
    return all(data in answer.body for data in cell.shown)


@dataclass
class Probed:
    """A whole matrix, asked."""

    scene: Scene
    cells: list[Cell]
    troubles: list[tuple[Cell, str]]
    answers: list[Answer]

    @cached_property
    def ciphertext(self) -> Ciphertext:
        """All that is sealed in it."""
        return Ciphertext(self.scene)

    @property
    def refused(self) -> list[Cell]:
        """The cells that must be refused."""
        return [cell for cell in self.cells if not cell.allowed]


@contextmanager
def probed(share: int = 1) -> Iterator[tuple[Probed, Path]]:
    """The matrix over the code as it is, or a ``share`` of it; and a folder to work in.

    It is in memory where there is any, since no disk is tried here.
    """
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        scratch = Path(folder)
        scene = play(scratch)
        matrix = Matrix(scene)
        cells = matrix.cells(share)
        node = shutil.copytree(scene.folder, scratch / "checked")
        asks, twins = [cell.ask for cell in cells], list(dict.fromkeys(twin for cell in cells for twin in cell.twins))
        answers = ask_all(node, matrix.asks([*twins, *asks]))
        told, own = dict(zip(twins, answers, strict=False)), answers[len(twins) :]
        judge = Judge(scene)
        judged = [
            (cell, judge.trouble(cell, answer, [told[twin] for twin in cell.twins]))
            for cell, answer in zip(cells, own, strict=True)
        ]
        troubles = [(cell, trouble) for cell, trouble in judged if trouble]
        yield Probed(scene, cells, troubles, own), scratch


def unchecked(found: Probed, scratch: Path) -> list[tuple[Cell, bool]]:
    """Each cell that must be refused, and whether it leaks where nothing is checked."""
    node = shutil.copytree(found.scene.folder, scratch / "unchecked")
    answers = ask_unchecked(node, Matrix(found.scene).asks([cell.ask for cell in found.cells]), scratch)
    asked = zip(found.cells, answers, strict=True)
    return [(cell, leaks(cell, answer)) for cell, answer in asked if not cell.allowed]


@dataclass(frozen=True)
class Opening:
    """Somebody's bytes against something sealed: entry ``number`` of a place, its receipt, or a letter to somebody."""

    role: str
    state: State
    what: str
    number: int
    expected: bool
    opened: bool


def openings(found: Probed) -> Iterator[Opening]:
    """Everybody's bytes against every sealed entry, a receipt of each section, and a letter in each mailbox."""
    scene, sealed = found.scene, found.ciphertext
    for actor in scene.actors:
        who, opened = (actor.role, actor.state), sealed.opened_by(actor.keys)
        for place in scene.places:
            for wave, numbers in place.waves.items():
                for number in numbers:
                    expected = model.opens(*who, place.name, Wave(wave), own=actor.written == number)
                    yield Opening(*who, f"an entry of {place.name}", number, expected, (place.name, number) in opened)
        receipts = sealed.receipts_opened_by(actor.seeds)
        for place in scene.places:
            if place.section in scene.receipts:
                expected = place.name in model.OWNED.get(actor.role, ())
                yield Opening(*who, f"a receipt of {place.name}", 0, expected, place.section in receipts)
        letters, boxes = sealed.letters_opened_by(actor.seeds), {mailbox_id(one.mailbox.public): one for one in scene.actors}
        for box in scene.letters:
            expected = box == mailbox_id(actor.mailbox.public) and actor.role not in model.OPERATING
            yield Opening(*who, f"a letter to {boxes[box].name}", 0, expected, box in letters)
