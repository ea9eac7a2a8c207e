"""Every lab on the real engine, and what the court makes of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from fourtuple.report import court, deciding, expectations
from fourtuple.stage import fleet
from fourtuple.stage.progress import Silent

from ..conftest import CHECKOUT, run_invoke
from .support import running, traces

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("image")]
EXPECTED = {name: it.value for name, it in expectations.expected(court.entries()).items()}


def test_the_court_decides_every_testable_saying_as_expected(engine, tmp_path):
    """As a person types it. The labs that decide are run here, and only here."""
    before = traces(engine)
    done = run_invoke("verdicts", "--json", "--out", str(tmp_path), timeout=300)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == json.loads((tmp_path / "court.json").read_text())
    testable = sum(bool(it.lab) for it in court.entries())
    assert (
        f"{testable} of {testable} testable sayings are decided, {testable} of {testable} as expected"
        in (said["summary"])
    )
    assert {it["id"]: it["ruling"] for it in said["sayings"]} == EXPECTED
    assert (said["failing"], said["differing"], said["undecided"]) == ([], [], [])
    assert traces(engine) == before


def test_every_lab_that_decides_nothing_holds(engine, tmp_path):
    """The others are run by the court, where each of their claims has to hold as well."""
    before = traces(engine)
    others = sorted({*fleet.everything()} - {*deciding.needed(court.sayings())})
    sorties = fleet.run(others, tmp_path, Silent())
    assert {(it.lab, it.nat): it.code for it in sorties} == dict.fromkeys(others, 0)
    assert traces(engine) == before


def test_court_that_is_interrupted_leaves_nothing(engine, tmp_path):
    before = traces(engine)
    with running("verdicts", "--out", str(tmp_path)) as process:
        for event in engine.api.events(decode=True, filters={"type": "container", "event": "start"}):
            if "fourtuple" in str(event["Actor"]["Attributes"].get("name", "")):
                break
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert traces(engine) == before


@pytest.mark.slow
def test_time_wait_is_waited_out(tmp_path):
    done = run_invoke("lab", "timewait", "--full", "--json", "--out", str(tmp_path))
    claims = {it["name"]: it for it in json.loads(done.stdout)["claims"]}
    (waited,) = (it for it in claims["it_lasts_a_minute"]["checks"] if "had passed" in it["about"])
    assert waited["holds"]
    assert done.returncode == 0


def test_a_learner_votes_and_sees_the_score(tmp_path):
    answers = "true\nnonsense\nf\nc\nq\n"
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "lab", "udp", "--predict", "--out", str(tmp_path)],
        cwd=CHECKOUT, input=answers, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    own = [it for it in court.sayings() if it.lab == "udp"][:3]
    right = sum(EXPECTED[it.id] == vote for it, vote in zip(own, ("true", "false", "conditional"), strict=True))
    assert f"you were right about {right} of 3" in done.stdout


def changed(tmp_path, file, old, new):
    """A copy of this checkout with one line of a compose file changed."""
    copy = tmp_path / "checkout"
    shutil.copytree(CHECKOUT, copy, ignore=shutil.ignore_patterns(".git", "results", ".venv", "tests", "*_cache"))
    place = copy / "compose" / file
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new))
    return copy


@pytest.mark.parametrize(
    ("lab", "file", "old", "new", "claims", "why"),
    [
        pytest.param("inherit", "inherit.yml", "SYS_PTRACE, SETUID", "SETUID", {"a_listener_can_be_taken"},
                     "take_from", id="a capability is refused"),
        pytest.param("fourtuples", "fourtuples.yml", "hostname: c1", "hostname: c1\n    ulimits: {nofile: 100}",
                     {"the_kernel_picks_from_a_range", "it_is_unpredictable_not_random"}, "EMFILE",
                     id="too few descriptors"),
    ],
)  # fmt: skip
def test_what_a_machine_refuses_leaves_one_claim_undecided(engine, tmp_path, lab, file, old, new, claims, why):
    before = traces(engine)
    copy = changed(tmp_path, file, old, new)
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "lab", lab, "--json", "--out", str(tmp_path / "out")],
        cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    said = json.loads(done.stdout)
    undecided = {it["name"]: it["why"] for it in said["claims"] if it["outcome"] != "holds"}
    assert set(undecided) >= claims
    assert all(why in undecided[name] for name in claims)
    assert sum(it["outcome"] == "holds" for it in said["claims"]) >= len(said["claims"]) / 2
    assert "did not go as written" in said["ended"]
    assert traces(engine) == before


def test_where_tracking_cannot_be_kept_away_one_claim_is_undecided(engine, tmp_path):
    """What prepares alice and bob is refused the capability it needs, and the lab goes on."""
    before = traces(engine)
    copy = changed(tmp_path, "base.yml", "command: [python3, -S, -m, fourtuple.agents.untracked]",
                   "command: [python3, -S, -m, fourtuple.agents.untracked]\n    user: nobody")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "lab", "punch", "--json", "--out", str(tmp_path / "out")],
        cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    said = json.loads(done.stdout)
    assert {it["name"] for it in said["claims"] if it["outcome"] != "holds"} == {"no_host_drops_what_crosses"}
    (why,) = (it["why"] for it in said["claims"] if it["outcome"] == "undecided")
    assert "connection tracking was not kept away from the packets of alice: alice-untracked ended with 1" in why
    assert "Operation not permitted" in why
    assert traces(engine) == before


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("NAT: ${NAT:-masquerade}", "NAT: ${NAT:-masquerade}\n      PATH: /usr/local/bin:/usr/bin:/bin",
         "need nft, and this image lacks the package nftables"),
        ("cap_add: [NET_ADMIN]", "cap_add: []", "Operation not permitted"),
    ],
    ids=["no nft", "no capability"],
)  # fmt: skip
def test_a_router_that_cannot_be_one_says_why(engine, tmp_path, old, new, says):
    before = traces(engine)
    copy = changed(tmp_path, "base.yml", old, new)
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "lab", "nat", "--out", str(tmp_path / "out")],
        cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert says in done.stderr
    assert traces(engine) == before


@pytest.mark.parametrize("nat", ["full-cone", "apdm/apdf", "masquerade", "home unsolicited=rst",
                                 "eim/adf addresses=2:arbitrary"])  # fmt: skip
def test_an_audit_finds_what_theory_says(nat, tmp_path):
    done = run_invoke("audit", "--nat", nat, "--json", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)["requirements"]
    assert all(it["as_predicted"] for it in found)
    assert {it["outcome"] for it in found if it["id"] == "RFC 4787 REQ-14"} == {"conforms"}


def test_a_router_that_is_up_changes_its_behaviour():
    """Only the lab of this test is touched and ended: its instance says which."""
    up = run_invoke("up", "nat", "--nat", "home")
    found = re.search(r"instance (\d+) is up", up.stdout)
    assert found, up.stdout + up.stderr
    try:
        done = run_invoke("nat.set", "apdm/apdf ports=random:7", "--instance", found[1])
        assert done.returncode == 0, done.stderr
        assert "router is now apdm/apdf ports=random:7" in done.stdout
        wrong = run_invoke("nat.set", "apdm/apfd", "--instance", found[1])
        assert wrong.returncode == 2
        assert "filtering=apfd is not possible" in wrong.stderr
    finally:
        assert run_invoke("down", "--instance", found[1]).returncode == 0
