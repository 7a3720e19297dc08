"""One run: a world, a schedule, and what must hold after each step of it."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from salus.agent.services.charting import ChartResult
from salus.agent.services.manifest import DeviceNote
from salus.agent.services.resuming import resume
from salus.errors import SalusError
from simulation.acts import ACTS, Doing, NothingToDo, letters, sync
from simulation.disk import Stopped, watched
from simulation.faults import KILLED_WRITING, POWER_CUT, Step
from simulation.invariants import Checks
from simulation.ledger_model import At, Broken
from simulation.machines import MACHINES
from simulation.reading_model import Asked, Removal
from simulation.resting import Resting
from simulation.tasks import Task
from simulation.wire import Killed, Passed, Waiting, Wire
from simulation.world import HOSTS, OWNERS, PEOPLE, Host, Template, World, scratch, seeded

BETWEEN = 20_000  # ms between two steps


@dataclass
class Outcome:
    """How a run ended: ``failure`` is "" when all held; ``trace`` has a line for each step, ``step`` where it failed."""

    failure: str = ""
    invariant: str = ""
    step: int = -1
    trace: list[str] = field(default_factory=list)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)


class Run:
    """A run over a copy of ``template``."""

    def __init__(self, template: Template) -> None:
        self.folder = scratch()
        template.copy(self.folder)
        self.passed, self.waiting, self.lines = Passed(), list[Waiting](), list[str]()
        self.wires: dict[str, Wire] = {}
        self.world = World(self.folder, template.founded, self._wire)
        self.world.time.now = template.time
        self.tasks: dict[str, Task] = {}
        self.asked: dict[str, tuple[Asked, At]] = {}
        self.removing: dict[str, Removal] = {}
        self.number = 0

    def _wire(self, home: str, _node: object) -> Wire:
        self.wires[home] = Wire(self.world, home, self.passed, self.waiting, self.note)
        return self.wires[home]

    def play(self, steps: list[Step], *, calm: bool = True) -> Outcome:
        """Do the steps, and what must hold after each; then let everything come to rest, and look once more."""
        outcome = self.outcome = Outcome(trace=self.lines)
        try:
            with watched(self.world.disk, self.world.points, HOSTS):
                self.world.open()
                self.checks = Checks(self)
                self.checks.learn(PEOPLE)
                for outcome.step, step in enumerate(steps):
                    self._do(step)
                outcome.step = len(steps)
                if calm:
                    self._come_to_rest()
        except Broken as broken:
            outcome.failure, outcome.invariant = str(broken), broken.invariant
        except (Exception, Stopped, Killed) as error:
            outcome.failure, outcome.invariant = f"{type(error).__name__}: {error}\n{traceback.format_exc()}", "unexpected"
        finally:
            self._close()
        return outcome

    def _do(self, step: Step) -> None:
        self.number += 1
        self.note(f"--- {step}")
        self.world.time.now += BETWEEN
        self._deliver()
        self.world.between.pass_step()
        self.world.follow()
        if step.act in MACHINES:
            MACHINES[step.act](self, step.home, Random(step.pick))
            self.count(step.act, "ok")
            self.checks.after(())
            return
        self._finish(step.home)
        wire = self.wires[step.home]
        wire.begin(step.faults)
        for fault in step.faults:
            if fault.what == POWER_CUT:
                self.world.points.armed[self.world.host_of(step.home).name] = fault.at
            elif fault.what == KILLED_WRITING:
                self.world.points.armed[step.home] = fault.at
        apart = self.world.between.cut or self.world.between.forged
        disturbed = bool(step.faults or wire.cut_off or step.pause or apart)
        code = self._act(step, self._prepared(step))
        self.world.points.armed.clear()
        wire.begin(())
        self.note(f"    {code or 'ok'}")
        self.count(step.act, code or "ok")
        self.checks.after((step.home,))
        if not disturbed:
            self.checks.require_expected(step, code)

    def _prepared(self, step: Step) -> Callable[[], object]:
        home = self.world.homes[step.home]

        def asks(asked: Asked) -> None:
            self.asked[step.home] = (asked, self._newest_at(self.world.host_of(step.home)))

        def removes(other: str, person: str, label: str) -> None:
            removal = Removal(other, person, label)
            self.checks.reading.removals.append(removal)
            self.removing[step.home] = removal

        doing = Doing(home, Random(step.pick), self.number, asks, removes)

        def act() -> object:
            resume(home.agent)
            self._resumed(step.home)
            return ACTS[step.act](doing)

        return act

    def _resumed(self, home: str) -> None:
        """What this home had begun is done: also a removal."""
        self.checks.reading.complete(home, self.now)
        self._forget_unkept(home)
        removal = self.removing.pop(home, None)
        if removal is not None:
            removal.done = self.now

    def _forget_unkept(self, home: str) -> None:
        """A removal that was refused, or whose machine stopped before the wish was kept, takes nobody off.

        What the remover has noted of the device that leaves tells it. That another one is gone says nothing: the remover may be
        that one itself.
        """
        removal = self.removing.get(home)
        if removal is None:
            return
        agent = self.world.homes[home].agent
        notes = [note for _, note in agent.store.all(DeviceNote, agent.wallet(removal.person).person)]
        if not any(note.removed and note.label == removal.label for note in notes):
            self.checks.reading.removals.remove(self.removing.pop(home))

    def _act(self, step: Step, act: Callable[[], object]) -> str:
        if not step.pause:
            return self._outcome(step.home, act)
        task = Task(act)
        self.wires[step.home].pause = task.pause
        self.tasks[step.home] = task
        if task.advance(step.pause):
            return self._ended(step.home)
        return "paused"

    def _finish(self, home: str) -> None:
        """What the home had begun goes on to its end: a home does one thing at a time."""
        if home in self.tasks:
            self.tasks[home].advance(0)
            self.note(f"    {home} goes on: {self._ended(home) or 'ok'}")
            self.checks.after((home,))

    def _ended(self, home: str) -> str:
        task = self.tasks.pop(home)
        self.wires[home].pause = lambda _: None

        def give() -> object:
            if task.error is not None:
                raise task.error
            return task.result

        return self._outcome(home, give)

    def _outcome(self, home: str, act: Callable[[], object]) -> str:
        """How an act ended: "" when it was done."""
        try:
            result = act()
            if isinstance(result, tuple) and result[1:] and isinstance(result[1], ChartResult):
                self.checks.after((home,))
                self.checks.require_shown(home, *result)
        except SalusError as error:
            self._forget_unkept(home)
            return error.full_code
        except NothingToDo:
            return "nothing-to-do"
        except (Killed, Stopped):
            self.world.homes[home].crash()
            self._forget_unkept(home)
            return "killed"
        self._resumed(home)
        return ""

    def _deliver(self) -> None:
        """What is due arrives; who is cut off comes nearer to its end."""
        for message in list(self.waiting):
            message.due -= 1
            if message.due <= 0:
                self.waiting.remove(message)
                message.deliver()
        for wire in self.wires.values():
            wire.cut_off = max(0, wire.cut_off - 1)

    def _come_to_rest(self) -> None:
        """Nothing goes wrong any more: whatever was begun is completed, and everything is looked at once more."""
        self.note("--- rest")
        for message in self.waiting:
            message.due = 0
        self._deliver()
        for wire in self.wires.values():
            wire.cut_off = 0
        for home in PEOPLE:
            self._finish(home)
        self.world.time.skews.clear()
        self.world.time.now += 15 * 60_000
        self.world.between.cut = self.world.between.forged = 0
        self.world.host.crash()
        self.world.follow()
        self.checks.after(())
        for _ in range(2):
            for home in PEOPLE:
                self._rest(home)
        self.world.follow()
        self.checks.after(tuple(PEOPLE))
        Resting(self.checks).look()

    def _rest(self, home: str) -> None:
        agent = self.world.homes[home].agent
        doing = Doing(self.world.homes[home], Random(0), 0, lambda _: None, lambda *_: None)
        try:
            resume(agent)
            self._resumed(home)
            letters(doing)
            if home in OWNERS:
                sync(doing)
        except SalusError as error:
            if error.code not in ("device-taken-off", "no-epoch-key"):
                raise Broken("rest", f"{home} does not come to rest: {error.full_code}") from error

    @property
    def now(self) -> At:
        """The newest block."""
        return self._newest_at(self.world.host)

    def _newest_at(self, host: Host) -> At:
        newest = host.node.engine.newest_header().header
        return At(newest.height, newest.time)

    def busy(self, home: str) -> bool:
        """Whether the home is in the middle of something."""
        return home in self.tasks

    def kill_task(self, home: str) -> None:
        """End what the home is in the middle of."""
        task = self.tasks.pop(home, None)
        if task is not None:
            self.wires[home].pause = lambda _: None
            task.kill(Killed())

    def count(self, act: str, how: str) -> None:
        """An act has ended in some way."""
        self.outcome.counts[act, how] = self.outcome.counts.get((act, how), 0) + 1

    def note(self, line: str) -> None:
        """One more line of the trace."""
        self.lines.append(line)

    def _close(self) -> None:
        for home in list(self.tasks):
            self.kill_task(home)
        try:
            self.world.close()
        finally:
            shutil.rmtree(self.folder)


def run(template: Template, seed: str, steps: list[Step], *, calm: bool = True) -> Outcome:
    """The schedule from the beginning, with ``seed`` for what is drawn by chance."""
    with seeded(seed):
        return Run(template).play(steps, calm=calm)
