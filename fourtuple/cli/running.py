"""Running labs and judging runs: lab, judge, record, catalog."""

from __future__ import annotations

from pathlib import Path

from invoke import Context, task

from ..stage.command import as_json, command, writable, write
from .network import up_says
from .words import JSON, JUNIT, LABS, NAT, OUT

_KEEP = "leave the lab up afterwards; the task `down` ends it"

_SIDE = "punch: the behaviour of this side's router"

_PREDICT = "be asked first what you think of each saying, and see your score"

_FULL = "ask everything (bind: the whole table instead of a sample; timewait: wait the minute out)"


@task(help={"name": "see the task `catalog`; or the path of a lab's file", "nat": NAT, "json": JSON, "junit": JUNIT,
            "out": OUT, "keep": _KEEP, "full": _FULL, "predict": _PREDICT, "a": _SIDE, "b": _SIDE,
            "proto": "punch, predict, birthday: udp or tcp", "order": "punch: who begins, both, a or b",
            "labs": LABS})  # fmt: skip
@command
def lab(_: Context, name: str, nat: str = "", json: bool = False, junit: str = "", out: str = "results",
        keep: bool = False, full: bool = False, predict: bool = False, a: str = "", b: str = "", proto: str = "",
        order: str = "", labs: str = "") -> int:  # fmt: skip
    """Run a lab: bring it up, play its steps, capture the packets, judge its claims, take it down."""
    from ..errors import UsageError
    from ..evidence import rundir
    from ..kit import catalog
    from ..report import quiz, report
    from ..stage import learner, run, session
    from ..stage.narrator import Narrator

    tell = Narrator(quiet=json)
    writable(junit)
    catalog.also(labs)
    if json and predict:
        raise UsageError("--predict asks a person and --json tells a program: choose one of them")
    chosen = {word: value for word, value in (("a", a), ("b", b), ("proto", proto), ("order", order)) if value}
    ready = session.begin(name, nat, tell, options=chosen)
    tell.lesson(ready.lab)
    with tell.working("bringing the lab up"):
        audience = run.Audience(lambda topology: tell.picture(topology, ready.nat), tell.step, tell.note)
        ran = run.run(ready, Path(out), audience, keep, full)
    try:
        evidence = rundir.load(ran.path)
        ballots = learner.ask(evidence, tell) if predict else ()
        judged = report.judge(evidence)
        ran.clock.lap("judge")
        tell.report(judged)
        if predict:
            tell.say(quiz.score(ballots))
        if keep:
            tell.say(up_says(ran.instance, evidence.facts.topology))
        ran.clock.lap("report")
        ran.clock.total("verdict")
    finally:
        with tell.working("taking the lab down"):
            ran.removal()
    ran.clock.lap("rest of down")
    ran.clock.total("total")
    if json:
        as_json(report.as_dict(judged, ran.clock.parts))
    if junit:
        write("JUnit file", lambda file: report.write_junit(judged, file), junit)
    return judged.exit_code


@task(help={"directory": "a run directory", "json": JSON, "junit": JUNIT, "labs": LABS})
@command
def judge(_: Context, directory: str, json: bool = False, junit: str = "", labs: str = "") -> int:
    """Judge a run directory again, from nothing but what it holds: no engine, no network."""
    from ..evidence import rundir
    from ..kit import catalog
    from ..report import report
    from ..stage.narrator import Narrator

    catalog.also(labs)
    judged = report.judge(rundir.load(Path(directory)))
    Narrator(quiet=json).everything(catalog.find(judged.run.lab), judged)
    if json:
        as_json(report.as_dict(judged))
    if junit:
        write("JUnit file", lambda file: report.write_junit(judged, file), junit)
    return judged.exit_code


@task(help={"json": JSON, "labs": LABS})
@command
def catalog(_: Context, json: bool = False, labs: str = "") -> None:
    """The labs there are, and what each claims."""
    from ..kit import catalog as known
    from ..stage.narrator import Narrator

    known.also(labs)
    found = [known.find(name) for name in known.names()]
    if json:
        as_json([{"name": it.name, "title": it.title, "claims": [claim.says for claim in it.claims]} for it in found])
        return
    tell = Narrator()
    for it in found:
        tell.say(f"{it.name}: {it.title}")
        for claim in it.claims:
            tell.point(claim.says)


@task(help={"name": "which lab", "full": _FULL})
@command
def record(_: Context, name: str, full: bool = False) -> None:
    """Run a lab with every NAT and keep the runs as the recordings the tests judge."""
    from ..kit import catalog
    from ..stage import recordings, session
    from ..stage.narrator import Narrator

    tell = Narrator()
    for nat in catalog.find(name).nats:
        ready = session.begin(name, nat, tell)
        with tell.working(f"recording {name} with {nat}"):
            place = recordings.record(ready, full)
        tell.say(f"✓ {place}")
