"""Every pair of routers: what theory says, what was measured, and where they differ.

Our puncher is measured, which takes an answer from any endpoint. What ICE programs could do in its place is theory,
and said beside that.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from .. import program
from ..net.endpoint import Protocol
from ..net.presets import parse
from ..net.punching import Answers, Order, Prediction, predict
from .provenance import Provenance


@dataclass(frozen=True, slots=True)
class Cell:
    """One meeting: who is behind what, over which transport, who began; whether both heard each other, what each said
    of it, and how long the slower one took (seconds). `missed`: why there was no meeting to measure, or nothing."""

    a: str
    b: str
    protocol: Protocol
    order: Order
    met: bool
    said: tuple[str, str]
    seconds: float
    missed: str = ""

    @property
    def predicted(self) -> Prediction:
        """What theory says of our puncher."""
        return predict(parse(self.a), parse(self.b), self.protocol, self.order)

    @property
    def ice(self) -> Prediction:
        """What theory says of two ICE programs, which take an answer only from the endpoint they asked."""
        return predict(parse(self.a), parse(self.b), self.protocol, self.order, Answers.SYMMETRIC)

    @property
    def depends_on_answers(self) -> bool:
        """Does theory say something else of ICE programs than of our puncher?"""
        return self.ice.meets is not self.predicted.meets

    @property
    def surprises(self) -> bool:
        """Did it come otherwise than theory says? A success nobody expected is a surprise too."""
        return not self.missed and self.predicted.meets is not None and self.predicted.meets is not self.met

    def __str__(self) -> str:
        return f"{self.a} and {self.b}, {self.protocol.value}, first: {self.order.value}"

    @property
    def replay(self) -> str:
        """The command that plays this meeting alone, with every packet."""
        return (f"{program.name()} lab punch --a '{self.a}' --b '{self.b}' --proto {self.protocol.value} "
                f"--order {self.order.value}")  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {"a": self.a, "b": self.b, "proto": self.protocol.value, "order": self.order.value,
                "predicted": self.predicted.meets, "why": self.predicted.why,
                "ice": self.ice.meets, "ice_why": self.ice.why, "met": self.met, "said": [*self.said],
                "seconds": self.seconds, "surprise": self.surprises, "missed": self.missed,
                "replay": self.replay}  # fmt: skip


def sign(cells: Sequence[Cell]) -> str:
    """The meetings of one pair, a letter for each order: y they met, - they did not, Y or = where that surprises, ?
    not measured. A star follows where it is otherwise for ICE programs."""
    letters = []
    for cell in cells:
        plain = "y" if cell.met else "-"
        letters.append("?" if cell.missed else {"y": "Y", "-": "="}[plain] if cell.surprises else plain)
    return "".join(letters) + ("*" if any(it.depends_on_answers for it in cells) else "")


def pairs(cells: Sequence[Cell]) -> dict[tuple[str, str], list[Cell]]:
    """The cells of each pair, in the order they were measured."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        found.setdefault((cell.a, cell.b), []).append(cell)
    return found


def table(cells: Sequence[Cell]) -> Table:
    """The grid for a terminal: A down, B across."""
    found = pairs(cells)
    across = list(dict.fromkeys(b for _, b in found))
    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("A \\ B")
    for number, _ in enumerate(across, 1):
        grid.add_column(str(number))
    for number, a in enumerate(dict.fromkeys(a for a, _ in found), 1):
        row = [found.get((a, b), []) for b in across]
        colours = ["red" if any(it.surprises for it in some) else "green" if any(it.met for it in some) else "dim"
                   for some in row]  # fmt: skip
        grid.add_row(f"{number} {a}", *(Text(sign(some), colour) for some, colour in zip(row, colours, strict=True)))
    return grid


def summary(cells: Sequence[Cell]) -> str:
    """`432 meetings: 250 met, 182 did not; no surprise`, and the slowest that met."""
    met = [it for it in cells if it.met and not it.missed]
    strange = sum(it.surprises for it in cells)
    slowest = max((it.seconds for it in met), default=0.0)
    missed = sum(bool(it.missed) for it in cells)
    surprise = f"{strange} came otherwise than predicted" if strange else "no surprise"
    unmeasured = f", {missed} {'was' if missed == 1 else 'were'} not measured" if missed else ""
    counts = f"{len(met)} met, {len(cells) - len(met) - missed} did not{unmeasured}"
    refused = sum(it.depends_on_answers for it in cells)
    ice = f"; {refused} marked * would be otherwise for ICE programs, by theory" if refused else ""
    return f"{len(cells)} meetings: {counts}; {surprise}{ice}; slowest {slowest:.3f} s"


def as_json(cells: Sequence[Cell], source: Provenance) -> dict[str, Any]:
    """For programs: every meeting, and where the measurements come from."""
    return {"summary": summary(cells), "provenance": source.as_dict(), "meetings": [it.as_dict() for it in cells]}


def write_junit(cells: Sequence[Cell], source: Provenance, path: Path) -> None:
    """JUnit XML: a meeting is a test case. OSError where the file cannot be written."""
    from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

    suite = TestSuite("matrix")
    source.describe(suite)
    for cell in cells:
        case = TestCase(str(cell), classname="matrix")
        if cell.surprises:
            case.result = [Failure(f"predicted {cell.predicted.meets} ({cell.predicted.why}), met {cell.met}")]
        if cell.missed:
            case.result = [Error(f"not measured: {cell.missed}")]
        suite.add_testcase(case)
    xml = JUnitXml()
    xml.add_testsuite(suite)
    xml.write(str(path))


def write_page(cells: Sequence[Cell], path: Path) -> None:
    """The grid as a page of its own: the rule that decided is shown under the pointer. OSError as above."""
    found = pairs(cells)
    across = list(dict.fromkeys(b for _, b in found))
    rows = []
    for a in dict.fromkeys(a for a, _ in found):
        marks = "".join(_box(found.get((a, b), [])) for b in across)
        rows.append(f"<tr><th>{html.escape(a)}</th>{marks}</tr>")
    head = "".join(f"<th>{html.escape(b)}</th>" for b in across)
    path.write_text(
        "<!doctype html><meta charset=utf-8><title>fourtuple: who meets whom</title>"
        "<style>body{font:14px sans-serif}td{padding:4px 8px;font-family:monospace}.y{background:#cfc}"
        ".n{background:#eee}.s{background:#f88}th{text-align:left;font-weight:normal}</style>"
        f"<h1>Who meets whom</h1><p>{html.escape(summary(cells))}</p>"
        "<p>A down, B across; a letter each for both at once, A first, B first: y they met, - they did not, "
        "? not measured; * theory says otherwise of two ICE programs, which take an answer only from the endpoint they "
        "asked (RFC 8445, 7.2.5.2.1).</p>"
        f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>\n"
    )


def _box(cells: Sequence[Cell]) -> str:
    kind = "s" if any(it.surprises for it in cells) else "y" if any(it.met for it in cells) else "n"
    told = "&#10;".join(html.escape(line) for it in cells
                        for line in (f"{it.order.value}: {it.predicted.why}", *_otherwise(it), it.replay))  # fmt: skip
    return f'<td class="{kind}" title="{told}">{sign(cells)}</td>'


def _otherwise(cell: Cell) -> list[str]:
    """What theory says of ICE programs, where that is something else."""
    return [f"two ICE programs: {cell.ice.why}"] if cell.depends_on_answers else []
