"""The command line: `invoke lab nat` is the front door, `invoke --list` shows the rest.

Imports wait until a task needs them: `invoke judge` has no use for Docker.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Collection, Context, Task, task

from labs.stage import commandline, signals
from labs.stage.command import as_json, command, writable, write

if TYPE_CHECKING:
    from labs.kit.topology import Topology

signals.end_on_any()  # as early as this code has a say: invoke goes on to read the command line

_NAT = "the router's behaviour: a name or eim/apdf and what differs; see `invoke nat.list`"
_JSON = "print JSON, for programs"
_JUNIT = "also write JUnit XML to this file"
_INSTANCE = "which lab, where you have several up, or somebody else's"


_KEEP = "leave the lab up afterwards; `invoke down` ends it"
_OUT = "where run directories go"
_SIDE = "punch: the behaviour of this side's router"
_PREDICT = "be asked first what you think of each saying, and see your score"
_FULL = "ask everything (bind: the whole table instead of a sample; timewait: wait the minute out)"


@task(help={"name": "see `invoke catalog`", "nat": _NAT, "json": _JSON, "junit": _JUNIT, "out": _OUT, "keep": _KEEP,
            "full": _FULL, "predict": _PREDICT, "a": _SIDE, "b": _SIDE, "proto": "punch, predict, birthday: udp or tcp",
            "order": "punch: who begins, both, a or b"})  # fmt: skip
@command
def lab(_: Context, name: str, nat: str = "", json: bool = False, junit: str = "", out: str = "results",
        keep: bool = False, full: bool = False, predict: bool = False, a: str = "", b: str = "", proto: str = "",
        order: str = "") -> int:  # fmt: skip
    """Run a lab: bring it up, play its steps, capture the packets, judge its claims, take it down."""
    from labs.kit import quiz, report, rundir
    from labs.kit.errors import UsageError
    from labs.stage import learner, run, session
    from labs.stage.narrator import Narrator

    tell = Narrator(quiet=json)
    writable(junit)
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
            tell.say(_up(ran.instance, evidence.facts.topology))
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


@task(help={"directory": "a run directory", "json": _JSON, "junit": _JUNIT})
@command
def judge(_: Context, directory: str, json: bool = False, junit: str = "") -> int:
    """Judge a run directory again, from nothing but what it holds: no engine, no network."""
    from labs.kit import catalog, report, rundir
    from labs.stage.narrator import Narrator

    judged = report.judge(rundir.load(Path(directory)))
    Narrator(quiet=json).everything(catalog.find(judged.run.lab), judged)
    if json:
        as_json(report.as_dict(judged))
    if junit:
        write("JUnit file", lambda file: report.write_junit(judged, file), junit)
    return judged.exit_code


@task
@command
def setup(_: Context) -> None:
    """Make this machine ready: engine, Compose v2, image. Does only what is missing; root on Debian and Ubuntu."""
    from labs.stage import setup as machine
    from labs.stage.narrator import Narrator

    tell = Narrator()
    with tell.working("looking at this machine"):
        lines = machine.setup(tell)
    for line in lines:
        tell.say(f"✓ {line}")


@task(help={"json": _JSON})
@command
def doctor(_: Context, json: bool = False) -> int:
    """One line for each thing a lab needs, with what to do; the last is a real frame through a router."""
    from labs.stage import doctor as examination
    from labs.stage.narrator import Narrator

    tell = Narrator(quiet=json)
    findings = []
    with tell.working("examining"):
        for finding in examination.examine(tell):
            findings.append(finding)
            tell.say(str(finding))
    if json:
        as_json([finding.as_dict() for finding in findings])
    return 0 if all(finding.ok for finding in findings) else 2


@task(help={"json": _JSON})
@command
def catalog(_: Context, json: bool = False) -> None:
    """The labs there are, and what each claims."""
    from labs.kit import catalog as labs
    from labs.stage.narrator import Narrator

    found = [labs.find(name) for name in labs.names()]
    if json:
        as_json([{"name": it.name, "title": it.title, "claims": [claim.says for claim in it.claims]} for it in found])
        return
    tell = Narrator()
    for it in found:
        tell.say(f"{it.name}: {it.title}")
        for claim in it.claims:
            tell.point(claim.says)


@task(help={"name": "which lab", "nat": _NAT})
@command
def up(_: Context, name: str, nat: str = "") -> None:
    """Bring a lab's network up and leave it, to play with; `invoke down` ends it."""
    from labs.stage import kept, session
    from labs.stage.narrator import Narrator

    tell = Narrator()
    ready = session.begin(name, nat, tell)
    with tell.working("bringing the lab up"):
        stage = kept.bring_up(ready)
    tell.picture(stage.topology, ready.nat)
    tell.say(_up(stage.instance, stage.topology))


def _up(instance: int, topology: Topology) -> str:
    """What can be done with a lab that is up."""
    host = next(it.name for it in topology.hosts if not it.router)
    ear = topology.taps[-1].name if topology.taps else host
    ways = [f"shell {host}", f"capture {ear}", "down"]
    does = " | ".join(f"invoke {words} --instance {instance}" for words in ways)
    return f"  instance {instance} is up: {does}"


@task(help={"instance": _INSTANCE, "everything": "all that are up on this engine", "json": _JSON})
@command
def down(_: Context, instance: str = "", everything: bool = False, json: bool = False) -> None:
    """End the lab you left up; somebody else's only where --instance or --everything says so."""
    from labs.stage import engine, kept
    from labs.stage.narrator import Narrator

    tell = Narrator(quiet=json)
    with tell.working("taking down"):
        ended = kept.end(engine.connect(), instance, everything)
    for it in ended:
        tell.say(f"removed {it.lab} (instance {it.instance})")
    if not ended:
        tell.say("no lab was up")
    if json:
        as_json([it.as_dict() for it in ended])


@task(help={"host": "a host of the lab, as client1, router or alice", "instance": _INSTANCE})
@command
def shell(_: Context, host: str, instance: str = "") -> None:
    """A shell in a host of the lab that is up."""
    from labs.stage import engine, kept

    there = kept.choose(engine.connect(), instance).container(host)
    argv = ["docker", "exec", "-it" if sys.stdin.isatty() else "-i", there[:12], "bash"]
    print("+", *argv, file=sys.stderr, flush=True)
    os.execvp(argv[0], argv)


_FILE = "write a pcap here (default: text on a terminal, a pcap into a pipe)"
_LIVE = "open it in Wireshark while it is captured"


@task(
    help={
        "tap": "a tap of the lab, as lan or home-a, or a host",
        "wireshark": _LIVE,
        "file": _FILE,
        "instance": _INSTANCE,
    }
)
@command
def capture(_: Context, tap: str, file: str = "", wireshark: bool = False, instance: str = "") -> None:
    """Capture in the lab that is up, until Ctrl-C; prints the exact command it runs."""
    from labs.stage import engine, images, listen
    from labs.stage.narrator import Narrator

    connected = engine.connect()
    image = images.ensure(connected, Narrator())
    listen.listen(listen.Request(connected, image, tap, instance), file, wireshark)


@task(help={"everything": "also what belongs to other machines, and labs that were left up", "json": _JSON,
            "out": "where run directories are"})  # fmt: skip
@command
def sweep(_: Context, everything: bool = False, json: bool = False, out: str = "results") -> None:
    """Remove what runs have left behind whose process is dead; running labs are never touched."""
    from labs.stage import engine, ownership, recording
    from labs.stage.narrator import Narrator

    tell = Narrator(quiet=json)
    parts = recording.clear_dead(Path(out))
    for part in parts:
        tell.say(f"removed the unfinished run directory {part}")
    connected = engine.connect()
    swept = ownership.sweep(connected, everything)
    for it in swept:
        tell.say(f"removed {len(it.containers)} containers and {len(it.networks)} networks of run {it.run}")
    for it in ownership.inventory(connected):
        tell.say(f"left run {it.run} alone: {ownership.why_left(it)}")
    if not swept and not parts:
        tell.say("no dead run has left anything")
    if json:
        as_json([it.as_dict() for it in swept])


_BOX = "build this router that is not ours instead, for `invoke audit --image`: a directory of images/"


@task(help={"box": _BOX})
@command
def images(_: Context, box: str = "") -> None:
    """Build the lab's image from this checkout, whatever is there."""
    from labs.stage import engine
    from labs.stage import images as node
    from labs.stage.narrator import Narrator

    tell = Narrator()
    with tell.working("building"):
        connected = engine.connect()
        name = node.build_box(connected, box, tell) if box else f"{node.NAME}:{node.build(connected, tell)}"
    tell.say(f"✓ {name}")


@task(help={"name": "which lab", "full": _FULL})
@command
def record(_: Context, name: str, full: bool = False) -> None:
    """Run a lab with every NAT and keep the runs as the recordings the tests judge."""
    from labs.kit import catalog
    from labs.stage import recordings, session
    from labs.stage.narrator import Narrator

    tell = Narrator()
    for nat in catalog.find(name).nats:
        ready = session.begin(name, nat, tell)
        with tell.working(f"recording {name} with {nat}"):
            place = recordings.record(ready, full)
        tell.say(f"✓ {place}")


@task(help={"first": "e.g. 'tcp 0.0.0.0:8080 listening reuseaddr'", "second": "e.g. 'tcp 10.0.0.1:8080 reuseaddr'"})
@command
def bind(_: Context, first: str, second: str) -> int:
    """What will bind() say? Predicts it, explains which rule decided, and asks the kernel."""
    from labs.stage import ask_kernel
    from labs.stage.narrator import Narrator

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


_SAYINGS = "a JSON file of {id, says, lab} to judge instead of the project's own; with a ruling, to compare with"


@task(iterable=["run"], help={"run": "judge this run directory instead of running labs; may be repeated", "json": _JSON,
                              "out": _OUT, "sayings": _SAYINGS})  # fmt: skip
@command
def verdicts(_: Context, run: list[str], json: bool = False, out: str = "results", sayings: str = "") -> int:
    """Myth court: runs every lab that decides a saying (or takes runs), and compares each ruling with the expected one.

    With --run those sayings are in question for which every run was given that decides them: each lab, with each NAT
    it is run with. Ends with 0 when all are decided as expected, 1 when a ruling differs or a claim fails, 2 when one
    is undecided, or none is in question.
    """
    from labs.kit import catalog, court, deciding, expectations, report, rundir
    from labs.stage import engine, fleet, images
    from labs.stage.narrator import Narrator

    tell = Narrator(quiet=json)
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


@task(help={"json": _JSON, "runs": "how often each thing is measured", "labs": "measure every lab once instead",
            "routers": "measure what gets through the routers instead",
            "rendezvous": "measure how long a meeting takes, and what its server can take, instead"})  # fmt: skip
@command
def bench(_: Context, json: bool = False, runs: int = 5, labs: bool = False, routers: bool = False,
          rendezvous: bool = False) -> None:  # fmt: skip
    """Measure `invoke lab nat` against the floor: the same containers and networks, and nothing else."""
    from labs.stage import bench as measuring
    from labs.stage import load
    from labs.stage.narrator import Narrator

    tell = Narrator(quiet=json)
    if labs or routers or rendezvous:
        with tell.working("measuring"):
            said, numbers = (measuring.labs(tell) if labs else load.routers(runs, tell) if routers
                             else load.rendezvous(tell))  # fmt: skip
        tell.say(said)
        if json:
            as_json(numbers)
        return
    with tell.working("measuring"):
        figures = measuring.measure(runs, tell)
    tell.say(measuring.table(figures))
    if json:
        as_json(figures.as_dict())


@task(help={"pick": "only tests that match this expression (pytest -k)", "live": "only tests that need an engine"})
@command
def test(_: Context, pick: str = "", live: bool = False) -> int:
    """Run the tests: pure ones, the claims on their recordings, and the live ones where an engine answers."""
    argv = [sys.executable, "-m", "pytest", *(["-k", pick] if pick else []), *(["-m", "live"] if live else [])]
    return subprocess.run(argv, cwd=Path(__file__).parent, check=False).returncode


@task
@command
def lint(_: Context) -> int:
    """ruff and mypy, as CI runs them (pip install -e '.[dev]')."""
    for argv in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        done = subprocess.run([sys.executable, "-m", *argv], cwd=Path(__file__).parent, check=False)
        if done.returncode:
            return done.returncode
    return 0


_IMAGE = "audit this image's router instead; the contract is in docs/foreign.md"
_EXPECT = "the router's behaviour (with --image: what to compare it with); see `invoke nat.list`"
_PATIENT = "also what takes two minutes"
_PATIENCE = "seconds the image may take until it translates"


@task(help={"nat": _EXPECT, "image": _IMAGE, "json": _JSON, "junit": _JUNIT, "out": _OUT, "full": _PATIENT,
            "patience": _PATIENCE})  # fmt: skip
@command
def audit(_: Context, nat: str = "", image: str = "", json: bool = False, junit: str = "", out: str = "results",
          full: bool = False, patience: float = 20.0) -> int:  # fmt: skip
    """What the RFCs ask of a NAT: requirement by requirement, measured, and compared with theory."""
    from labs.kit import findings, provenance, report, rundir
    from labs.stage import foreign, run, session
    from labs.stage.narrator import Narrator

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


_PROTO = "udp, tcp, or both"
_PAIR = "a behaviour, to play one pair only"


@task(help={"proto": _PROTO, "a": _PAIR, "b": _PAIR, "repeat": "how often", "json": _JSON, "junit": _JUNIT,
            "page": "also write the grid to this file, as HTML", "out": _OUT})  # fmt: skip
@command
def matrix(_: Context, proto: str = "both", a: str = "", b: str = "", repeat: int = 1, json: bool = False,
           junit: str = "", page: str = "", out: str = "results") -> int:  # fmt: skip
    """Who meets whom through a rendezvous server: every pair of behaviours, compared with theory.

    What came otherwise is played again as a lab of its own, which keeps every packet.
    """
    from labs.kit import grid
    from labs.kit.errors import UsageError
    from labs.net.endpoint import Protocol
    from labs.net.presets import text
    from labs.stage import engine, images, run, session
    from labs.stage import matrix as pairs
    from labs.stage.narrator import Narrator

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


@task(name="list", help={"json": _JSON})
@command
def nat_list(_: Context, json: bool = False) -> None:
    """The behaviours that have a name, what they are, and where such boxes are met."""
    from labs.net import presets
    from labs.stage.narrator import Narrator

    if json:
        as_json([{"name": name, "says": presets.sentence(it), "met": it.met} for name, it in presets.PRESETS.items()])
        return
    tell = Narrator()
    for it in presets.PRESETS.values():
        tell.say(presets.sentence(it))
        tell.point(it.met)
    tell.say(f"or any of {', '.join(presets.NINE)}, and what differs: ports=random:7 udp=120s hairpin=off ...")


_BEHAVIOUR = "a name or eim/apdf and what differs, see `invoke nat.list`"


_ADDRESSES = "the router's outside, several with commas between"


@task(name="show", help={"behaviour": _BEHAVIOUR, "interface": "the outside one", "address": _ADDRESSES})
@command
def nat_show(_: Context, behaviour: str, interface: str = "wan",
             address: str = "198.18.0.2,198.18.0.3,198.18.0.4") -> None:  # fmt: skip
    """The nftables rule set of a behaviour, as a router loads it."""
    from labs.kit.errors import UsageError
    from labs.net import nft
    from labs.stage.session import behaviour_called

    try:
        print(nft.render(behaviour_called(behaviour), interface, address.split(",")), end="")
    except ValueError as error:
        raise UsageError(str(error), "Give as many with --address A,B.") from None


@task(name="set", help={"behaviour": _BEHAVIOUR, "host": "which router, where there are several",
                        "instance": _INSTANCE})  # fmt: skip
@command
def nat_set(_: Context, behaviour: str, host: str = "", instance: str = "") -> None:
    """Change the behaviour of a router of a lab that is up, in place; every mapping is forgotten."""
    from labs.net import presets
    from labs.stage import engine, kept
    from labs.stage.narrator import Narrator
    from labs.stage.session import behaviour_called

    chosen = behaviour_called(behaviour)
    name, took = kept.become(engine.connect(), host, presets.text(chosen), instance)
    Narrator().say(f"✓ {name} is now {presets.sentence(chosen)} ({took:.2f} s)")


commandline.put_right()
_OF_NAT = (nat_list, nat_show, nat_set)
namespace = Collection(*(it for it in list(globals().values()) if isinstance(it, Task) and it not in _OF_NAT))
namespace.add_collection(Collection("nat", *_OF_NAT))
