"""The command line without an engine: what it refuses, in one sentence and with exit code 2."""

import json
import shutil
import signal
import subprocess
import sys

import pytest

from fourtuple.kit import catalog
from fourtuple.report import court

from .conftest import CHECKOUT, RECORDINGS, run_invoke

NOWHERE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}


def refused(done, *words):
    """Exit code 2, nothing on standard output, a sentence (and perhaps a hint) on standard error."""
    assert done.returncode == 2, done
    lines = done.stderr.strip().splitlines()
    assert 1 <= len(lines) <= 2, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("recording", sorted(path.name for path in RECORDINGS.iterdir()))
def test_a_recording_is_judged_without_an_engine(recording):
    done = run_invoke("judge", str(RECORDINGS / recording), **NOWHERE)
    assert done.returncode == 0, done.stderr
    lab = catalog.find(json.loads((RECORDINGS / recording / "meta.json").read_text())["lab"])
    assert f"{len(lab.claims)} claims: {len(lab.claims)} hold" in done.stdout
    assert lab.title in done.stdout


def test_json_is_the_only_thing_on_standard_output():
    done = run_invoke("judge", str(RECORDINGS / "nat-none"), "--json", **NOWHERE)
    assert json.loads(done.stdout)["summary"] == "10 claims: 10 hold"


def test_junit_goes_to_its_file(tmp_path):
    file = tmp_path / "out.xml"
    assert run_invoke("judge", str(RECORDINGS / "nat-none"), "--junit", str(file), **NOWHERE).returncode == 0
    assert file.read_text().count("<testcase") == 10


def test_a_junit_file_that_cannot_be_written_is_a_sentence(tmp_path):
    done = run_invoke("judge", str(RECORDINGS / "nat-none"), "--json", "--junit", f"{tmp_path}/no/where.xml", **NOWHERE)
    assert done.returncode == 2
    assert "cannot be written: No such file or directory" in done.stderr


def test_an_unknown_lab_is_answered_with_the_labs_there_are():
    refused(run_invoke("lab", "nta", **NOWHERE), "there is no lab called 'nta'; there are: ", "invoke catalog")


def test_an_unknown_nat_is_answered_with_the_nats_there_are():
    refused(run_invoke("lab", "nat", "--nat", "cone", **NOWHERE), "no NAT called 'cone'; there are: masquerade,")


@pytest.mark.parametrize("words", [("lab", "nat"), ("up", "nat"), ("down",), ("sweep",), ("images",), ("shell", "x")])
def test_no_engine_is_a_sentence_for_every_command_that_needs_one(words):
    refused(run_invoke(*words, **NOWHERE), "no Docker engine answers at unix:///nonexistent/docker.sock")


def test_doctor_says_what_is_missing_and_what_to_do():
    done = run_invoke("doctor", "--json", **NOWHERE)
    assert done.returncode == 2
    (finding,) = json.loads(done.stdout)
    assert (finding["name"], finding["ok"]) == ("engine", False)
    assert finding["todo"]


@pytest.mark.parametrize("what", ["nothing", "foreign", "part"])
def test_judge_refuses_what_is_no_run(tmp_path, what):
    place = tmp_path / what
    if what != "nothing":
        place.mkdir()
    if what == "part":
        (place / "wan.pcap").write_bytes(b"")
    refused(run_invoke("judge", str(place)), what)


def test_the_catalog_needs_no_engine():
    listed = json.loads(run_invoke("catalog", "--json", **NOWHERE).stdout)
    assert {"nat", "bind"} <= {lab["name"] for lab in listed}
    assert all(lab["claims"] for lab in listed)


def test_the_rule_is_not_asked_about_what_makes_no_sense():
    refused(
        run_invoke("bind", "--first", "tcp 0.0.0.0:80", "--second", "tcp 0.0.0.0:81", **NOWHERE), "the ports differ"
    )
    refused(
        run_invoke("bind", "--first", "sctp 0.0.0.0:80", "--second", "tcp 0.0.0.0:80", **NOWHERE),
        "a socket is `tcp|udp",
    )
    nowhere = ("bind", "--first", "tcp 0.0.0.0:70000", "--second", "tcp 0.0.0.0:70000")
    refused(run_invoke(*nowhere, **NOWHERE), "a port is a number from 0 to 65535, not 70000", "For example")


def test_a_lab_without_a_router_takes_no_nat():
    refused(run_invoke("lab", "bind", "--nat", "masquerade", **NOWHERE), "the lab bind has no router to be masquerade")


def verdicts(*words, runs=None):
    """The court on recordings; returns the process and what it printed as JSON."""
    chosen = sorted(path for path in RECORDINGS.iterdir()) if runs is None else runs
    given = [word for it in chosen for word in ("--run", str(it))]
    done = run_invoke("verdicts", "--json", *given, *words, **NOWHERE)
    return done, json.loads(done.stdout) if done.stdout.startswith("{") else {}


def test_verdicts_are_recomputed_from_run_directories():
    done, said = verdicts()
    assert done.returncode == 0, done.stderr
    testable = sum(bool(it.lab) for it in court.entries())
    assert (said["decided"], said["testable"]) == (testable, testable)
    assert {it["id"]: (it["ruling"], it["expected"]) for it in said["sayings"]}["C02"] == ("conditional", "conditional")


def test_verdicts_of_some_runs_ask_only_what_they_decide():
    done, said = verdicts(runs=[RECORDINGS / "udp"])
    assert done.returncode == 0, done.stderr
    assert said["decided"] == said["testable"] == sum(it.lab == "udp" for it in court.entries())
    done, said = verdicts(runs=[RECORDINGS / "nat-none"])  # one of its routers decides nothing alone
    assert done.returncode == 2
    assert "no testable saying is in question" in done.stderr


def test_verdicts_name_the_ruling_that_differs(tmp_path):
    file = tmp_path / "sayings.json"
    file.write_text(json.dumps([{"id": "C155", "says": "x", "lab": "udp", "ruling": "conditional"},
                                {"id": "C156", "says": "x", "lab": "udp"}]))  # fmt: skip
    done, said = verdicts("--sayings", str(file))
    assert done.returncode == 1
    assert done.stderr.strip() == "C155 is ruled false; expected was conditional"
    assert "2 of 2 testable sayings are decided, 0 of 1 as expected" in said["summary"]
    refused(*_sayings(tmp_path, "ruling", "maybe"), "the saying C155 is expected to be 'maybe', which is no ruling")


def _sayings(tmp_path, word, value):
    file = tmp_path / "other.json"
    file.write_text(json.dumps([{"id": "C155", "says": "x", "lab": "udp"} | {word: value}]))
    return (verdicts("--sayings", str(file), runs=[RECORDINGS / "udp"])[0],)


def test_verdicts_name_the_saying_that_is_undecided(tmp_path):
    (done,) = _sayings(tmp_path, "id", "mine")
    assert done.returncode == 2
    assert done.stderr.strip() == "mine is undecided: no evidence answers it"


def test_verdicts_name_the_claim_that_fails(tmp_path):
    """A recording in which one call ended otherwise. What the claim then answers differs as well."""
    run = tmp_path / "udp"
    shutil.copytree(RECORDINGS / "udp", run)
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    meta = json.loads((run / "meta.json").read_text())
    refused_ = next(it for it in events if it.get("error") and it["call"] == "bind")
    refused_["error"] = None
    (run / "events.jsonl").write_text("".join(json.dumps(it) + "\n" for it in events))
    meta["files"]["events.jsonl"] = (run / "events.jsonl").stat().st_size
    (run / "meta.json").write_text(json.dumps(meta))
    done, said = verdicts(runs=[run])
    assert done.returncode == 1
    (failing,) = said["failing"]
    assert f"udp: {failing['claim']} fails: " in done.stderr


BEFORE_THE_TASK = """
import os, sys
from invoke.main import program
from invoke.parser import parser

parse = parser.Parser.parse_argv

def interrupted(self, argv):
    if self.contexts:  # tasks.py is loaded, and no task runs yet
        os.kill(os.getpid(), int(sys.argv[1]))
    return parse(self, argv)

parser.Parser.parse_argv = interrupted
program.run(["invoke", "catalog"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_a_task_runs_is_a_line_and_130(number):
    done = subprocess.run(
        [sys.executable, "-c", BEFORE_THE_TASK, str(int(number))], cwd=CHECKOUT, capture_output=True, text=True,
        check=False, preexec_fn=lambda: [signal.signal(it, signal.SIG_DFL) for it in (number, signal.SIGINT)],
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
