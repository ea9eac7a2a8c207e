"""The command line: `invoke lab nat` is the front door, `invoke --list` shows the rest.

Exit codes as diff(1): 0 every claim holds, 1 one does not, 2 it cannot be told (set-up, usage). Errors become a
sentence on standard error in one place, `_reporting`.
"""

from __future__ import annotations

import json as json_format
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from invoke import Context, task

if TYPE_CHECKING:
    from labs.kit.report import Report

_NAT = "the router's behaviour: masquerade, masquerade-random or none"
_JSON = "print JSON, for programs"
_INSTANCE = "which lab, where several are up"


@contextmanager
def _reporting() -> Iterator[None]:
    """Turn what goes wrong into a sentence and exit code 2; Ctrl-C and SIGTERM into 130, after clearing away."""
    from labs.kit.errors import LabError

    def interrupted(*_: int | FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        yield
    except LabError as error:
        print(error.message, *([error.hint] if error.hint else []), sep="\n", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if not type(error).__module__.startswith(("docker", "requests")):
            raise
        print(f"the engine refused: {getattr(error, 'explanation', None) or error}", file=sys.stderr)
        print("See `invoke doctor`, and the engine's own log.", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; nothing of this run is left", file=sys.stderr)
        sys.exit(130)


@task(
    help={
        "name": "which lab (see `invoke catalog`)",
        "nat": _NAT,
        "json": _JSON,
        "junit": "also write JUnit XML to this file",
        "out": "where run directories go",
        "keep": "leave the lab up afterwards; `invoke down` ends it",
    }
)
def lab(
    _: Context,
    name: str,
    nat: str = "masquerade",
    json: bool = False,
    junit: str = "",
    out: str = "results",
    keep: bool = False,
) -> None:
    """Run a lab: bring it up, play its steps, capture the packets, judge its claims, take it down."""
    with _reporting():
        from labs.kit import report, rundir
        from labs.stage import run, session
        from labs.stage.narrator import Narrator

        tell = Narrator(quiet=json)
        ready = session.begin(name, nat, tell)
        tell.lesson(ready.lab)
        with tell.working("bringing the lab up"):
            audience = run.Audience(lambda topology: tell.picture(topology, ready.nat), tell.step)
            ran = run.run(ready.engine, ready.lab, ready.nat, ready.image, Path(out), audience, keep)
        try:
            judged = report.judge(rundir.load(ran.path))
            ran.clock.lap("judge")
            tell.report(judged)
            if keep:
                tell.say(f"  invoke shell client1 / capture wan / down      (instance {ran.instance} is still up)")
            ran.clock.lap("report")
            ran.clock.total("verdict")
        finally:
            with tell.working("taking the lab down"):
                ran.removal()
        ran.clock.lap("rest of down")
        ran.clock.total("total")
        _for_programs(judged, json, junit, ran.clock.parts)
    _end(judged.exit_code)


@task(help={"directory": "a run directory", "json": _JSON, "junit": "also write JUnit XML to this file"})
def judge(_: Context, directory: str, json: bool = False, junit: str = "") -> None:
    """Judge a run directory again, from nothing but what it holds: no engine, no network."""
    with _reporting():
        from labs.kit import catalog, report, rundir
        from labs.stage.narrator import Narrator

        judged = report.judge(rundir.load(Path(directory)))
        Narrator(quiet=json).everything(catalog.find(judged.run.lab), judged)
        _for_programs(judged, json, junit)
    _end(judged.exit_code)


def _for_programs(judged: Report, json: bool, junit: str, seconds: Mapping[str, float] | None = None) -> None:
    """JSON to standard output, JUnit to its file."""
    from labs.kit import report
    from labs.kit.errors import UsageError

    if json:
        print(report.to_json(judged, seconds))
    if junit:
        try:
            report.write_junit(judged, Path(junit))
        except OSError as error:
            raise UsageError(f"the JUnit file {junit} cannot be written: {error.strerror}") from None


def _end(code: int) -> None:
    """Leave with a code; 0 lets the tasks that follow on the command line run."""
    if code:
        sys.exit(code)


@task
def setup(_: Context) -> None:
    """Make this machine ready: engine, Compose v2, image. Does only what is missing; root on Debian and Ubuntu."""
    with _reporting():
        from labs.stage import setup as machine
        from labs.stage.narrator import Narrator

        tell = Narrator()
        with tell.working("looking at this machine"):
            lines = machine.setup(tell.note)
        for line in lines:
            tell.say(f"✓ {line}")


@task(help={"json": _JSON})
def doctor(_: Context, json: bool = False) -> None:
    """One line for each thing a lab needs, with what to do; the last is a real frame through a router."""
    with _reporting():
        from labs.stage import doctor as examination
        from labs.stage.narrator import Narrator

        tell = Narrator(quiet=json)
        findings = []
        with tell.working("examining"):
            for finding in examination.examine(tell.note):
                findings.append(finding)
                tell.say(str(finding))
        if json:
            print(json_format.dumps([finding.as_dict() for finding in findings], indent=1))
    _end(0 if all(finding.ok for finding in findings) else 2)


@task(help={"json": _JSON})
def catalog(_: Context, json: bool = False) -> None:
    """The labs there are, and what each claims."""
    with _reporting():
        from labs.kit import catalog as labs
        from labs.stage.narrator import Narrator

        found = [labs.find(name) for name in labs.names()]
        if json:
            listed = [{"name": it.name, "title": it.title, "claims": [c.says for c in it.claims]} for it in found]
            print(json_format.dumps(listed, indent=1))
            return
        tell = Narrator()
        for it in found:
            tell.say(f"{it.name}: {it.title}")
            for claim in it.claims:
                tell.say(f"    {claim.says}")


@task(help={"name": "which lab", "nat": _NAT})
def up(_: Context, name: str, nat: str = "masquerade") -> None:
    """Bring a lab's network up and leave it, to play with; `invoke down` ends it."""
    with _reporting():
        from labs.stage import kept, session
        from labs.stage.narrator import Narrator

        tell = Narrator()
        ready = session.begin(name, nat, tell)
        with tell.working("bringing the lab up"):
            stage = kept.bring_up(ready)
        tell.picture(stage.topology, ready.nat)
        tell.say(f"  instance {stage.instance} is up: invoke shell client1 / capture wan / down")


@task(help={"instance": _INSTANCE, "json": _JSON})
def down(_: Context, instance: str = "", json: bool = False) -> None:
    """End the labs that were left up."""
    with _reporting():
        from labs.stage import engine, kept
        from labs.stage.narrator import Narrator

        tell = Narrator(quiet=json)
        with tell.working("taking down"):
            ended = kept.end(engine.connect(), instance)
        for it in ended:
            tell.say(f"removed {it.lab} (instance {it.instance})")
        if not ended:
            tell.say("no lab was up")
        if json:
            print(kept.as_json(ended))


@task(help={"host": "client1, client2, router, alice or bob", "instance": _INSTANCE})
def shell(_: Context, host: str, instance: str = "") -> None:
    """A shell in a host of the lab that is up."""
    with _reporting():
        from labs.stage import engine, kept

        there = kept.container(engine.connect(), host, instance)
        argv = ["docker", "exec", "-it" if sys.stdin.isatty() else "-i", there.id[:12], "bash"]
        print("+", *argv, file=sys.stderr, flush=True)
        os.execvp(argv[0], argv)


@task(
    help={
        "tap": "lan, wan, or a host",
        "file": "write a pcap here (default: packets as text, or a pcap where the output is a pipe)",
        "wireshark": "open it in Wireshark while it is captured",
        "instance": _INSTANCE,
    }
)
def capture(_: Context, tap: str, file: str = "", wireshark: bool = False, instance: str = "") -> None:
    """Capture in the lab that is up, until Ctrl-C; prints the exact command it runs."""
    with _reporting():
        from labs.kit.errors import UsageError
        from labs.stage import engine, images, kept

        if wireshark and not shutil.which("wireshark"):
            raise UsageError("wireshark was not found on this machine", "Install it, or use --file.")
        connected = engine.connect()
        text = sys.stdout.isatty() and not file and not wireshark
        argv = kept.capture_command(connected, tap, instance, images.ensure(connected, lambda _: None), text)
        end = f" > {file}" if file else " | wireshark -k -i -" if wireshark else ""
        print("+", *argv, end, file=sys.stderr, flush=True)
        if not file and not wireshark:
            os.execvp(argv[0], argv)
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as source:
            if wireshark:
                subprocess.run(["wireshark", "-k", "-i", "-"], stdin=source.stdout, check=False)
                return
            assert source.stdout is not None
            with open(file, "wb") as out:
                try:
                    shutil.copyfileobj(source.stdout, out, 1)
                except KeyboardInterrupt:
                    source.send_signal(signal.SIGINT)  # from a terminal it has had one; tcpdump flushes and ends
                    shutil.copyfileobj(source.stdout, out)


@task(help={"everything": "also what belongs to other machines, and labs that were left up", "json": _JSON})
def sweep(_: Context, everything: bool = False, json: bool = False) -> None:
    """Remove what runs have left behind whose process is dead; running labs are never touched."""
    with _reporting():
        from labs.stage import engine, kept, ownership
        from labs.stage.narrator import Narrator

        tell = Narrator(quiet=json)
        connected = engine.connect()
        swept = ownership.sweep(connected, everything)
        for it in swept:
            tell.say(f"removed {len(it.containers)} containers and {len(it.networks)} networks of run {it.run}")
        for it in ownership.inventory(connected):
            tell.say(f"left run {it.run} alone: {ownership.why_left(it.owner)}")
        if not swept:
            tell.say("nothing was left behind")
        if json:
            print(kept.as_json(swept))


@task
def images(_: Context) -> None:
    """Build the lab's image from this checkout, whatever is there."""
    with _reporting():
        from labs.stage import engine
        from labs.stage import images as node
        from labs.stage.narrator import Narrator

        tell = Narrator()
        with tell.working("building"):
            tag = node.build(engine.connect(), tell.note)
        tell.say(f"✓ {node.NAME}:{tag}")


@task(help={"name": "which lab"})
def record(_: Context, name: str) -> None:
    """Run a lab with every NAT and keep the runs as the recordings the tests judge."""
    with _reporting():
        from labs.net.behaviour import PRESETS
        from labs.stage import recordings, session
        from labs.stage.narrator import Narrator

        tell = Narrator()
        for nat in PRESETS:
            with tell.working(f"recording {name} with {nat}"):
                tell.say(f"✓ {recordings.record(session.begin(name, nat, tell))}")


@task(help={"json": _JSON, "runs": "how often each thing is measured"})
def bench(_: Context, json: bool = False, runs: int = 5) -> None:
    """Measure `invoke lab nat` against the floor: the same containers and networks, and nothing else."""
    with _reporting():
        from labs.stage import bench as measuring
        from labs.stage.narrator import Narrator

        tell = Narrator(quiet=json)
        with tell.working("measuring"):
            figures = measuring.measure(runs, tell.note)
        tell.say(measuring.table(figures))
        if json:
            print(json_format.dumps(figures.as_dict(), indent=1))


@task(help={"pick": "only tests that match this expression (pytest -k)", "live": "only tests that need an engine"})
def test(_: Context, pick: str = "", live: bool = False) -> None:
    """Run the tests: pure ones, the claims on their recordings, and the live ones where an engine answers."""
    argv = [sys.executable, "-m", "pytest", *(["-k", pick] if pick else []), *(["-m", "live"] if live else [])]
    _end(subprocess.run(argv, cwd=Path(__file__).parent, check=False).returncode)


@task
def lint(_: Context) -> None:
    """ruff and mypy, as CI runs them (pip install -e '.[dev]')."""
    for argv in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        _end(subprocess.run([sys.executable, "-m", *argv], cwd=Path(__file__).parent, check=False).returncode)
