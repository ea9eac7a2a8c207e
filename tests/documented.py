"""Every command the documentation names, with what types it: this module, a test, or nothing, for a reason.

`python -m tests.documented` types what takes long, or needs an engine, in a copy of the checkout; CI does so after the
tests (`.ci/documented`). It ends with 1 where a command does not end as documented.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from .conftest import CHECKOUT

AT_ONCE = 3  # on two cores: a lab waits for the engine half of its time
PATIENCE = 600.0  # seconds a command may take


@dataclass(frozen=True, slots=True)
class Typed:
    """Typed as it is documented, with an example for each of `words`; `code` is how it has to end."""

    command: str
    words: dict[str, str] = field(default_factory=dict)
    code: int = 0

    @property
    def line(self) -> str:
        """What is typed."""
        line = self.command
        for word, example in self.words.items():
            assert word in line, f"{self.command!r} has no {word}"
            line = line.replace(word, example)
        return line


@dataclass(frozen=True, slots=True)
class TypedBy:
    """Typed by a test, or by a script; options may be added that say where results go."""

    command: str
    test: str


@dataclass(frozen=True, slots=True)
class Exempt:
    """Typed by nobody, for a reason."""

    command: str
    reason: str


Row = Typed | TypedBy | Exempt
A_RUN = "tests/recordings/nat-none"
STRANGERS = "tests/strangers"
BOX = "fourtuple/openvswitch"
STORY = "tests/live/test_documented.py::test_a_network_is_played_with"
BY_HAND = "tests/live/test_documented.py::test_a_network_is_brought_up_by_hand"

# No engine, no time: typed by tests/test_documented.py.
SHORT = (
    Typed("invoke nat.list"),
    Typed("invoke nat.show", {"nat.show": "nat.show home"}),
    Typed("invoke nat.show eim/apdf"),
    Typed("invoke nat.show BEHAVIOUR", {"BEHAVIOUR": "'adm/adf ports=random:7 udp=120s'"}),
    Typed("invoke catalog"),
    Typed("invoke judge DIR", {"DIR": A_RUN}),
    Typed("invoke judge results/nat/20261120-162518-43ef", {"results/nat/20261120-162518-43ef": A_RUN}),
)

# Typed first, one after the other, from an empty place: what the others stand on, and what wants the engine for itself.
FIRST = (
    Typed("python3 -m venv .venv && . .venv/bin/activate && pip install -e . && invoke setup lab nat"),
    Typed("pip install -e '.[dev]'"),
    Typed("pip wheel --no-deps ."),
    Typed("python -m tests.labs.judged"),  # reads recordings, of which one is made again below
    Typed("invoke images"),
    Typed("invoke images --box openvswitch"),
    Typed("invoke images --box", {"--box": "--box openvswitch"}),
    Typed("invoke test --pick nft"),  # looks whether anything was left on the engine
    Typed("invoke matrix"),
)

# Typed then, several at once, those that take long before the others.
LONG = (
    Typed("invoke audit --image IMAGE --full", {"IMAGE": BOX}, code=1),
    Typed("invoke bench --labs"),
    Typed("invoke bench"),
    Typed("invoke bench --routers"),
    Typed("invoke bench --rendezvous"),
    Typed("invoke lab timewait --full"),
    Typed("invoke lab bind --full"),
    Typed("invoke lab nat"),
    Typed("invoke lab nat --nat symmetric"),
    Typed("invoke lab nat --nat 'eim/adf ports=random:7'"),
    Typed("invoke lab nat --nat none"),
    Typed("invoke lab nat --json --junit junit.xml"),
    Typed("invoke lab behaviours"),
    Typed("invoke lab classify"),
    Typed("invoke lab hairpin"),
    Typed("invoke lab collisions"),
    Typed("invoke lab lifetime"),
    Typed("invoke lab cgnat"),
    Typed("invoke lab icmp"),
    Typed("invoke lab publish"),
    Typed("invoke lab rendezvous"),
    Typed("invoke lab punch --a home --b symmetric"),
    Typed("invoke lab punch --a home --b symmetric --proto", {"--proto": "--proto tcp"}),
    Typed("invoke lab punch --a home --b symmetric --order", {"--order": "--order a"}),
    Typed("invoke lab punch --a home --b symmetric --proto tcp"),
    Typed("invoke lab punch --a home --b symmetric --proto tcp --order", {"--order": "--order b"}),
    Typed("invoke lab bare"),
    Typed("invoke lab keepalive"),
    Typed("invoke lab predict"),
    Typed("invoke lab predict --proto", {"--proto": "--proto tcp"}),
    Typed("invoke lab birthday"),
    Typed("invoke lab birthday --proto", {"--proto": "--proto tcp"}),
    Typed("invoke lab same-lan"),
    Typed("invoke lab conversations"),
    Typed("invoke lab backlog"),
    Typed("invoke lab fourtuples"),
    Typed("invoke lab bind"),
    Typed("invoke lab timewait"),
    Typed("invoke lab multihome"),
    Typed("invoke lab inherit"),
    Typed("invoke lab reuseport"),
    Typed("invoke lab udp"),
    Typed("invoke bind --first 'tcp 0.0.0.0:80 listening reuseaddr' --second 'tcp 10.0.0.1:80 reuseaddr'"),
    Typed("invoke matrix --proto tcp --a home --b adm/eif"),
    Typed("invoke audit --nat masquerade"),
    Typed("invoke audit --nat BEHAVIOUR", {"BEHAVIOUR": "home"}),
    Typed("invoke audit --image IMAGE", {"IMAGE": BOX}, code=1),
    Typed("invoke audit --image IMAGE --nat masquerade", {"IMAGE": BOX}, code=1),
    Typed("invoke audit --image fourtuple/openvswitch", code=1),
    Typed("fourtuple lab nat"),
    Typed("fourtuple lab ./mine/hello.py", {"./mine": STRANGERS}),
    Typed("fourtuple lab hello --labs ./mine", {"./mine": STRANGERS}),
    Typed("invoke record LAB", {"LAB": "udp"}),  # in the copy
    Typed("invoke doctor"),
    Typed("invoke doctor --json"),
)

ELSEWHERE: tuple[TypedBy | Exempt, ...] = (
    TypedBy("invoke setup", "tests/live/test_lab.py::test_setup_is_a_quick_no_op_where_everything_is_there"),
    TypedBy("python3 -m fourtuple.agents.classifier SERVER",
            "tests/live/test_classify.py::test_a_server_with_two_addresses_tells_a_symmetric_router"),
    TypedBy("invoke sweep", "tests/live/test_cleanup.py::test_what_kill_9_leaves_is_swept"),
    TypedBy("invoke verdicts", "tests/live/test_court.py::test_the_court_decides_every_testable_saying_as_expected"),
    TypedBy("invoke nat.set", "tests/live/test_court.py::test_a_router_that_is_up_changes_its_behaviour"),
    TypedBy("invoke nat.set BEHAVIOUR", "tests/live/test_court.py::test_a_router_that_is_up_changes_its_behaviour"),
    TypedBy("invoke up nat", STORY),
    TypedBy("invoke shell alice", STORY),
    TypedBy("python3 -m fourtuple.agents.server 8000 &", STORY),
    TypedBy("invoke shell client1", STORY),
    TypedBy("python3 -m fourtuple.agents.client udp 198.18.N.10:8000 40000", STORY),
    TypedBy("invoke capture wan", STORY),
    TypedBy("invoke capture wan --file", STORY),
    TypedBy("invoke shell router", STORY),
    TypedBy("nft delete table ip fourtuple", STORY),
    TypedBy("invoke down", STORY),
    TypedBy("docker compose -f compose/nat.yml up -d", BY_HAND),
    TypedBy("docker compose -f compose/nat.yml exec -d alice python3 -m fourtuple.agents.server 8000", BY_HAND),
    TypedBy("docker compose -f compose/nat.yml exec client1 "
           "python3 -m fourtuple.agents.client udp 198.18.0.10:8000 40000", BY_HAND),
    TypedBy("docker compose -f compose/nat.yml down", BY_HAND),
    TypedBy("python3 -m venv .venv && . .venv/bin/activate && pip install -e '.[test]' && invoke setup test",
            ".ci/run"),
    TypedBy("python3 -m venv .venv && . .venv/bin/activate && pip install -e '.[dev]'", ".ci/run"),
    TypedBy("fourtuple judge DIR --labs ./mine",
            "tests/test_wheel.py::test_a_strangers_lab_runs_from_anywhere"),
    TypedBy("invoke lint", ".ci/run"),
    Exempt("invoke setup test lint", "recursion: it runs the tests, and .ci/run types its parts"),
    Exempt("invoke test --live", "recursion: it runs the tests"),
    Exempt("invoke capture wan --wireshark", "needs a desktop"),
    Exempt("wireshark results/nat/20261120-162518-43ef/run.pcapng", "needs a desktop"),
    Exempt("git diff --stat", "shows what has been changed, which is nothing in a test"),
    Exempt("apt install git python3-venv", "changes the machine; .ci/run does it where a machine has no venv"),
    Exempt("python -m tests.live.stalls 25 invoke lab nat", "takes minutes; tests/live/test_stalls.py does the same"),
    TypedBy("python3 -m fourtuple.agents.puncher", "tests/agents/test_puncher.py::test_two_programs_meet"),
    Exempt("nft monitor trace", "the routers of the lab punch run it themselves"),
    Exempt("nft list ruleset", "each run asks it by itself, and keeps what it said"),
    Exempt("conntrack -L", "each run asks it by itself, and keeps what it said"),
)  # fmt: skip

TABLE: tuple[Row, ...] = (*SHORT, *FIRST, *LONG, *ELSEWHERE)


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that was typed: how it ended, after how many seconds, and what it printed."""

    row: Typed
    code: int | None
    seconds: float
    printed: str

    @property
    def as_documented(self) -> bool:
        return self.code == self.row.code

    def __str__(self) -> str:
        verdict = "✓" if self.as_documented else f"✗ ended with {self.code}, documented is {self.row.code}:"
        return f"{self.seconds:6.1f} s  {verdict} {self.row.line}"


def run(row: Typed, place: Path, **variables: str) -> Ended:
    """Type a command in a directory, without a terminal. `code` is None where it did not end in time."""
    began = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    try:
        done = subprocess.run(["bash", "-c", row.line], cwd=place, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              timeout=PATIENCE)  # fmt: skip
    except subprocess.TimeoutExpired as late:
        return Ended(row, None, time.monotonic() - began, str(late.stdout or ""))
    return Ended(row, done.returncode, time.monotonic() - began, done.stdout)


def in_environment(environment: Path) -> dict[str, str]:
    """What `. BIN/activate` changes, for a virtual environment's directory of programs."""
    return {"PATH": f"{environment}{os.pathsep}{os.environ['PATH']}"}


def everything(place: Path) -> Iterable[Ended]:
    """Type what takes long, from a checkout that nothing was done in."""
    activated = in_environment(place / ".venv" / "bin")
    for row in FIRST:
        yield run(row, place, **activated)
    with ThreadPoolExecutor(AT_ONCE) as hands:
        yield from hands.map(lambda row: run(row, place, **activated), LONG)


def main() -> int:
    """Type everything and say how each ended; returns the exit code."""
    failed = 0
    began = time.monotonic()
    with TemporaryDirectory(prefix="fourtuple-documented-") as scratch:
        place = Path(scratch) / "fourtuple"
        shutil.copytree(CHECKOUT, place, ignore=shutil.ignore_patterns(".git", ".venv", "results", "*_cache",
                                                                       "__pycache__", "*.egg-info"))  # fmt: skip
        for ended in everything(place):
            print(ended, flush=True)  # noqa: T201 -- a program for people
            if not ended.as_documented:
                failed += 1
                print(ended.printed[-3000:], flush=True)  # noqa: T201
    typed = len(FIRST) + len(LONG)
    print(f"{typed} commands typed in {time.monotonic() - began:.0f} s, {failed} did not end as documented")  # noqa: T201
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
