"""Questions of one's own, and all of them at once: bind, verdicts, audit, matrix."""

from __future__ import annotations

from pathlib import Path

from invoke import Context, task

from ..stage.command import as_json, command, writable, write
from .words import JSON, JUNIT, LABS, OUT

_SAYINGS = "a JSON file of {id, says, lab} to judge instead of the project's own; with a ruling, to compare with"

_IMAGE = "audit this image's router instead; the contract is in docs/foreign.md"

_EXPECT = "the router's behaviour (with --image: what to compare it with); see the task `nat.list`"

_PATIENT = "also what takes two minutes"

_PATIENCE = "seconds the image may take until it translates"

_PROTO = "udp, tcp, or both"

_PAIR = "a behaviour, to play one pair only"


@task(help={"first": "e.g. 'tcp 0.0.0.0:8080 listening reuseaddr'; also v6only, uid=N, dev=NAME, local=ADDRESS",
            "second": "e.g. 'tcp 10.0.0.1:8080 reuseaddr'"})  # fmt: skip
@command
def bind(_: Context, first: str, second: str) -> int:
    """What will bind() say? Predicts it, explains which rule decided, and asks the kernel."""
    from ..stage import ask_kernel
    from ..stage.narrator import Narrator

    tell = Narrator()
    case = ask_kernel.read(first, second)
    tell.say(f"the rule:   {case.explain()}")
    for sentence in case.assumed():
        tell.say(f"assumed:    {sentence}")
    with tell.working("asking the kernel"):
        said = ask_kernel.ask(case, tell)
    for sentence in said.tried:
        tell.say(f"tried:      {sentence}")
    tell.say(f"the kernel: {said.sentence}")
    if said.agrees(case.predict()):
        return 0
    tell.say("your kernel differs from the rule")
    return 1


@task(iterable=["run"], help={"run": "judge this run directory instead of running labs; may be repeated", "json": JSON,
                              "out": OUT, "sayings": _SAYINGS, "labs": LABS})  # fmt: skip
@command
def verdicts(_: Context, run: list[str], json: bool = False, out: str = "results", sayings: str = "",
             labs: str = "") -> int:  # fmt: skip
    """Myth court: runs every lab that decides a saying (or takes runs), and compares each ruling with the expected one.

    With --run those sayings are in question for which every run was given that decides them: each lab, with each NAT
    it is run with. Ends with 0 when all are decided as expected, 1 when a ruling differs or a claim fails, 2 when one
    is undecided, or none is in question.
    """
    from ..evidence import rundir
    from ..kit import catalog
    from ..report import court, deciding, expectations, report
    from ..stage import engine, fleet, images
    from ..stage.narrator import Narrator

    tell = Narrator(quiet=json)
    catalog.also(labs)
    entries = court.entries(Path(sayings) if sayings else court.SAYINGS)
    read, expected = court.sayings(entries, catalog.names()), expectations.expected(entries)
    paths = [Path(directory) for directory in run]
    if not run:
        with tell.working("running every lab that decides a saying"):
            images.ensure(engine.connect(), tell)
            paths = [Path(it.path) for it in fleet.run(deciding.needed(read), Path(out), tell)]
    reports = tuple(report.judge(rundir.load(path)) for path in paths)
    compared = expectations.Comparison(reports, court.judge(reports, read), expected)
    tell.court(compared.judgements)
    tell.say(f"\n{compared.summary}")
    if not run:
        place = Path(out) / "court.json"
        write("court", lambda file: expectations.save(compared, file), str(place))
        tell.say(f"  {place}")
    if json:
        as_json(expectations.as_dict(compared))
    for complaint in compared.complaints:
        tell.announce(complaint)
    return compared.exit_code


@task(help={"nat": _EXPECT, "image": _IMAGE, "json": JSON, "junit": JUNIT, "out": OUT, "full": _PATIENT,
            "patience": _PATIENCE})  # fmt: skip
@command
def audit(_: Context, nat: str = "", image: str = "", json: bool = False, junit: str = "", out: str = "results",
          full: bool = False, patience: float = 20.0) -> int:  # fmt: skip
    """What the RFCs ask of a NAT: requirement by requirement, measured, and compared with theory."""
    from ..evidence import rundir
    from ..report import findings, provenance, report
    from ..stage import foreign, run, session
    from ..stage.narrator import Narrator

    tell = Narrator(quiet=json)
    writable(junit)
    box = foreign.Box(image, patience) if image else None
    expected = session.behaviour_called(nat) if nat else None
    ready = session.begin("audit", "" if box else nat or "home", tell, box)
    with tell.working("auditing"):
        ran = run.run(ready, Path(out), run.Audience(note=tell.note), full=full)
        ran.removal()
    judged = report.judge(rundir.load(ran.path))
    found = findings.of(judged, expected if box else ready.nat)
    tell.findings(found)
    tell.say(f"\n{findings.summary(found)}\n  {ran.path}")
    if json:
        as_json(findings.as_dict(found, provenance.of(judged.run)))
    if junit:
        write("JUnit file", lambda file: findings.write_junit(found, provenance.of(judged.run), file), junit)
    return findings.exit_code(found)


@task(help={"proto": _PROTO, "a": _PAIR, "b": _PAIR, "repeat": "how often", "json": JSON, "junit": JUNIT,
            "page": "also write the grid to this file, as HTML", "out": OUT})  # fmt: skip
@command
def matrix(_: Context, proto: str = "both", a: str = "", b: str = "", repeat: int = 1, json: bool = False,
           junit: str = "", page: str = "", out: str = "results") -> int:  # fmt: skip
    """Who meets whom through a rendezvous server: every pair of behaviours, compared with theory.

    What came otherwise is played again as a lab of its own, which keeps every packet.
    """
    from ..errors import UsageError
    from ..net.endpoint import Protocol
    from ..net.presets import text
    from ..report import grid
    from ..stage import engine, images, run, session
    from ..stage import matrix as pairs
    from ..stage.narrator import Narrator

    tell = Narrator(quiet=json)
    writable(junit)
    writable(page)
    protocols = [it for it in (Protocol.UDP, Protocol.TCP) if proto in ("both", it.value)]
    if not protocols or bool(a) != bool(b):
        raise UsageError(f"--proto {proto} --a {a or '?'} --b {b or '?'} was understood only in part",
                         "Wanted was --proto udp, tcp or both, and --a with --b or neither.")  # fmt: skip
    pair = (text(session.behaviour_called(a)), text(session.behaviour_called(b))) if a else None
    connected = engine.connect()
    cells = []
    with tell.working("bringing two homes up"), pairs.Matrix(connected, images.ensure(connected, tell)) as homes:
        source = homes.provenance()
        for _number in range(repeat):
            for protocol in protocols:
                some = list(homes.play([protocol], pair, tell))
                cells += some
                tell.grid(some)
                tell.say(f"{protocol.value}: {grid.summary(some)}")
                tell.say(f"  one of them alone: {some[0].replay}\n")
    for cell in cells:
        if cell.surprises:
            tell.announce(f"{cell}: {' / '.join(cell.said)}; theory: {cell.predicted.why}")
            chosen = {"a": cell.a, "b": cell.b, "proto": cell.protocol.value, "order": cell.order.value}
            with tell.working("playing it again, with every packet"):
                again = run.run(session.begin("punch", "", tell, options=chosen), Path(out), run.Audience())
                again.removal()
            tell.announce(f"  {cell.replay}\n  {again.path}")
    if json:
        as_json(grid.as_json(cells, source))
    if junit:
        write("JUnit file", lambda file: grid.write_junit(cells, source, file), junit)
    if page:
        write("page", lambda file: grid.write_page(cells, file), page)
    return 1 if any(it.surprises for it in cells) else 2 if any(it.missed for it in cells) else 0
