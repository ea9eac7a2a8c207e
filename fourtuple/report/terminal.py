"""A report as a person reads it in a terminal. Everything here is text and tables; nothing prints."""

from __future__ import annotations

import shlex

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .. import program
from ..evidence.journey import Hop, journeys
from ..evidence.topology import Host, Topology
from ..kit import catalog
from ..kit.claim import Outcome, Verdict
from ..net import presets
from ..net.behaviour import NatBehaviour
from ..net.endpoint import Field
from .court import Judgement, Ruling
from .findings import CONFORMS, DOES_NOT, NOT_TESTED, Finding
from .report import Report, difference, words

_MARKS = {Outcome.HOLDS: ("✓", "green"), Outcome.FAILS: ("✗", "red"), Outcome.UNDECIDED: ("?", "yellow"),
          Outcome.NOT_MEASURED: ("?", "yellow"), Outcome.NOT_ASKED: ("·", "dim")}  # fmt: skip
_REWRITTEN = "bold yellow"
_ROWS = 60  # packets a person may be shown
_RULINGS = {Ruling.TRUE: "green", Ruling.FALSE: "red", Ruling.CONDITIONAL: "yellow"}


def plain(text: str) -> Text:
    """Somebody else's words: no markup in them means anything."""
    return Text(text)


def step(says: str) -> Table:
    """A step as it is played."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_row(Text("▸", "cyan"), Text(says))
    return table


def lesson(title: str, text: str) -> Text:
    """The lab's own words, its title above; the drawing in them gives way to the picture of this run."""
    paragraphs = [part for part in text.removeprefix(f"{title}.").strip().split("\n\n") if not part.startswith(" ")]
    return Text.assemble((title, "bold"), "\n\n", "\n\n".join(" ".join(part.split()) for part in paragraphs), "\n")


def picture(topology: Topology, nat: NatBehaviour) -> Text:
    """Hosts inside, the router, hosts outside, with the addresses of this run; a line for each host where there is not
    one router."""
    if len(topology.routers) != 1:
        return _places(topology)
    router = topology.router
    (inside, _), (outside, outer) = router.interfaces
    left, right = (_beside(topology, name) for name in (inside, outside))
    gateway = topology.network(inside).gateway
    middle = [f"{inside} ── {router.name} ── {outside}", f"{gateway}   {outer}"]
    width = max(map(len, [*left, ""])), max(map(len, middle))
    rows = max(len(left), len(right), len(middle))
    text = Text()
    for row in range(rows):
        here = left[row] if row < len(left) else ""
        there = right[row] if row < len(right) else ""
        centre = middle[row] if row < len(middle) else ""
        line = "─" if row == 0 else " "
        text.append(f"  {here:>{width[0]}} {'──' if here else '  '}{_bar(row, len(left))}{line} ")
        text.append(f"{centre:^{width[1]}}", "bold" if row == 0 else "dim")
        text.append(f" {line}{_bar(row, len(right))}{'──' if there else '  '} {there}".rstrip() + "\n")
    return text.append(f"\n  {presets.sentence(nat)}\n" + (f"  met in {nat.met}\n" if nat.met else ""), "dim")


def _places(topology: Topology) -> Text:
    """Every host with its addresses; under it the programs that share its network namespace."""
    text = Text()
    for host in topology.hosts:
        if not host.lives_with:
            text.append(f"  {host.name} {' '.join(address for _, address in host.interfaces)}".rstrip() + "\n")
            for lodger in topology.hosts:
                if lodger.lives_with == host.name:
                    text.append(f"    └─ {lodger.name}, in the same network namespace\n", "dim")
    return text


def _beside(topology: Topology, network: str) -> list[str]:
    def address(host: Host) -> str:
        return host.address(network)

    return [f"{h.name} {address(h)}" for h in topology.hosts if not h.router and network in dict(h.interfaces[:1])]


def _bar(row: int, rows: int) -> str:
    if rows == 1:
        return "─" if row == 0 else " "
    return "┬" if row == 0 else "┴" if row == rows - 1 else "│" if row < rows else " "


def packets(report: Report) -> Table:
    """Every marked packet on either side of the router; the fields it rewrote are marked."""
    facts = report.run.facts
    routers = {router.name for router in facts.topology.routers}
    sides = [tap.name for tap in facts.topology.taps if tap.host in routers or not routers]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("packet")
    for side in sides:
        table.add_column(f"on the {side}", overflow="fold")
    table.add_column("ttl", justify="right", no_wrap=True)
    every = journeys(facts.packets(), report.lab.called)
    for journey in every[:_ROWS]:
        hops = [journey.at(side) for side in sides]
        ttls = ">".join(str(hop.packet.ttl) for hop in journey.hops if hop.packet.tap in sides)
        table.add_row(journey.mark, *(_tuple(hop, "never arrived" if routers else "") for hop in hops), ttls)
    if len(every) > _ROWS:
        table.add_row(Text(f"... and {len(every) - _ROWS} more, in run.pcapng", "dim"))
    return table


def _tuple(hop: Hop | None, absent: str) -> Text:
    """A 4-tuple with its rewritten fields between stars, so that they show without colour too."""
    if hop is None:
        return Text(absent, "dim")
    flow = hop.packet.flow
    ends = (
        (flow.source, Field.SOURCE_ADDRESS, Field.SOURCE_PORT),
        (flow.destination, Field.DESTINATION_ADDRESS, Field.DESTINATION_PORT),
    )
    parts = []
    for end, address, port in ends:
        text = Text()
        for value, field in ((end.address, address), (str(end.port), port)):
            changed = field in hop.rewritten
            text.append(":" if text else "").append(f"*{value}*" if changed else value, _REWRITTEN if changed else "")
        parts.append(text)
    return Text(" > ").join(parts)


def verdicts(report: Report) -> Table:
    """Each claim with a mark; under one that does not hold, what was wanted and what was got."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    for verdict in report.verdicts:
        mark, colour = _MARKS[verdict.outcome]
        table.add_row(Text(mark, colour), Text(verdict.says))
        for line in _reasons(verdict):
            table.add_row("", Padding(Text(line, colour), (0, 0, 0, 2)))
        if predicted := _predictions(verdict):
            table.add_row("", Padding(Text(predicted, "dim"), (0, 0, 0, 2)))
    return table


def _predictions(verdict: Verdict) -> str:
    """What a claim that says "exactly when" predicted for this run, where it was seen so."""
    answers = [check for check in verdict.checks if isinstance(check.want, bool)]
    if verdict.outcome is not Outcome.HOLDS or not 0 < len(answers) <= 4:
        return ""
    return "predicted and seen: " + " · ".join(f"{check.about}: {words(check.got)}" for check in answers)


def _reasons(verdict: Verdict) -> list[str]:
    """Why a claim does not hold, the first three differences with the packets that show them."""
    if verdict.outcome not in (Outcome.HOLDS, Outcome.FAILS):
        late = "not measured: " if verdict.outcome is Outcome.NOT_MEASURED else ""
        return [late + verdict.why]
    lines = []
    for check in verdict.differing[:3]:
        lines.append(difference(check))
        lines.extend(f"  {seen}" for seen in check.seen[:4])
    if len(verdict.differing) > 3:
        lines.append(f"and {len(verdict.differing) - 3} more differences (--json shows all)")
    return lines


def court(judgements: tuple[Judgement, ...]) -> Table:
    """Each saying with its ruling, and for either answer the first condition it was found under."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for it in judgements:
        table.add_row(it.saying.id, Text(it.ruling.value, _RULINGS.get(it.ruling, "dim")), Text(it.saying.says))
        if it.why:
            table.add_row("", "", Text(it.why, "yellow"))
        for so, words_ in ((True, "so"), (False, "not so")):
            answer = next((answer for answer in it.answers if answer.so is so), None)
            if answer:
                seen = f" ({answer.check.seen[0]})" if answer.check.seen else ""
                table.add_row("", "", Text(f"{words_}: {answer.check.about}{seen}"[:160], "dim"))
    return table


def findings(found: tuple[Finding, ...]) -> Group:
    """Each requirement that was tested, whether it is met, and where not, what was seen; then those that were not."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    colours = {CONFORMS: "green", DOES_NOT: "red"}
    untested: dict[str, list[str]] = {}
    for it in found:
        asked = it.requirement
        if it.outcome == NOT_TESTED:
            untested.setdefault(it.why, []).append(asked.id)
            if it.as_predicted is not False:
                continue
        word = Text(it.outcome, colours.get(it.outcome, "yellow"))
        table.add_row(asked.id, asked.level.value, word, Text(asked.says))
        if it.why:
            table.add_row("", "", "", Text(it.why[:200], "dim"))
        if it.as_predicted is False:
            table.add_row("", "", "", Text("theory says otherwise", "red"))
    return Group(table, *(_untested(why, ids) for why, ids in untested.items()))


def _untested(why: str, ids: list[str]) -> Text:
    """Requirements that were not tested for one reason: `RFC 6888 REQ-3, 4, 5: not tested, it asks for ...`."""
    shown = [it if at == 0 or it.split()[1] != ids[at - 1].split()[1] else it.rpartition("-")[2]
             for at, it in enumerate(ids)]  # fmt: skip
    return Text(f"not tested: {', '.join(shown)}: {why}", "dim")


def footer(report: Report) -> Text:
    """The verdict in a line, where the run is, and what to do with it next."""
    colour = {0: "green", 1: "red", 2: "yellow"}[report.exit_code]
    path = report.run.path
    where = catalog.elsewhere(report.lab.name)
    labs = f" --labs {shlex.quote(str(where))}" if where else ""
    wireshark = f"\n  wireshark {path}/run.pcapng" if report.run.facts.topology.taps else ""
    return Text.assemble(
        (f"{report.ended}\n" if report.ended else "", "yellow"),
        (report.summary, f"bold {colour}"),
        f"\n\n  {path}\n",
        (f"  {program.name()} judge {path}{labs}{wireshark}", "dim"),
    )
