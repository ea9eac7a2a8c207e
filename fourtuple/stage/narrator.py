"""What a person sees while a lab runs, and after: the lesson, the picture, each step, the packets, the claims."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.status import Status

from .. import program
from ..evidence.topology import Topology
from ..kit import catalog
from ..kit.lab import Lab, Step
from ..net.behaviour import NatBehaviour
from ..report import grid, terminal
from ..report.court import Judgement
from ..report.findings import Finding
from ..report.grid import Cell
from ..report.report import Report
from .command import reader_left

_WIDE = 132  # columns where nobody said how many: pipes and files


class _Console(Console):
    """A console whose reader may stop reading."""

    def on_broken_pipe(self) -> None:
        reader_left()


class Narrator:
    """Prints to standard output, shows progress on a terminal's standard error; `quiet` says nothing at all."""

    def __init__(self, quiet: bool = False) -> None:
        width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE
        self._out = _Console(quiet=quiet, highlight=False, width=width)
        # on a terminal one console does both, so that a line and the spinner never stand in one another's way
        alone = quiet or not sys.stdout.isatty()
        self._progress = _Console(stderr=True, quiet=not sys.stderr.isatty()) if alone else self._out
        self._err_always = _Console(stderr=True, highlight=False)
        self._status: Status | None = None

    @contextmanager
    def working(self, on: str) -> Iterator[None]:
        """Show that something is going on, and what (`note` changes the words)."""
        with self._progress.status(on) as status:
            self._status = status
            try:
                yield
            finally:
                self._status = None

    def note(self, text: str) -> None:
        """The latest word of something that takes a while."""
        if self._status:
            self._status.update(terminal.plain(text))

    def announce(self, text: str) -> None:
        """A line that stays, beside what programs read."""
        self._err_always.print(terminal.plain(program.as_typed(text)))

    def say(self, text: str) -> None:
        """A line that stays."""
        self._out.print(terminal.plain(program.as_typed(text)))

    def point(self, text: str) -> None:
        """A line that stays, indented as a whole."""
        self._out.print(Padding(terminal.plain(text), (0, 0, 0, 4)))

    def lesson(self, lab: Lab) -> None:
        self._out.print(terminal.lesson(lab.title, program.as_typed(catalog.lesson(lab.name))))

    def picture(self, topology: Topology, nat: NatBehaviour) -> None:
        self._out.print()
        self._out.print(terminal.picture(topology, nat))

    def step(self, step: Step) -> None:
        self.note("playing the steps")
        self._out.print(terminal.step(step.says))

    def report(self, report: Report) -> None:
        """Packets, claims, and where to go from here."""
        packets = [terminal.packets(report)] if report.run.facts.topology.taps else []
        for part in (*packets, terminal.verdicts(report), terminal.footer(report)):
            self._out.print()
            self._out.print(part)

    def court(self, judgements: tuple[Judgement, ...]) -> None:
        """What became of the sayings."""
        self._out.print(terminal.court(judgements))

    def findings(self, found: tuple[Finding, ...]) -> None:
        """What an audit found."""
        self._out.print(terminal.findings(found))

    def grid(self, cells: Sequence[Cell]) -> None:
        """Who met whom."""
        self._out.print(grid.table(cells))

    def everything(self, lab: Lab, report: Report) -> None:
        """What a live run told bit by bit, at once."""
        self.lesson(lab)
        self.picture(report.run.facts.topology, report.run.facts.nat)
        for step in lab.steps:
            self.step(step)
        self.report(report)
