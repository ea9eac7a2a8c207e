"""The command line without an engine: what it refuses, in one sentence and with exit code 2."""

import json

import pytest

from labs.kit import catalog

from .conftest import RECORDINGS, run_invoke

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


def test_a_lab_without_a_router_takes_no_nat():
    refused(run_invoke("lab", "bind", "--nat", "masquerade", **NOWHERE), "the lab bind has no router to be masquerade")


def test_verdicts_are_recomputed_from_run_directories():
    words = [word for it in RECORDINGS.iterdir() for word in ("--run", str(it))]
    judged = json.loads(run_invoke("verdicts", "--json", *words, **NOWHERE).stdout)
    assert {it["id"]: it["verdict"] for it in judged}["C02"] == "conditional"
