"""A run directory is read whole, or refused in one sentence that says what is wrong with it."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fourtuple.errors import LabError, UsageError
from fourtuple.evidence import rundir
from fourtuple.report import report

from ..conftest import RECORDINGS


@pytest.fixture
def directory(tmp_path):
    return shutil.copytree(RECORDINGS / "nat-none", tmp_path / "run")


def refused(directory, *words):
    with pytest.raises(UsageError) as caught:
        rundir.load(directory)
    assert len(caught.value.message.splitlines()) == 1
    for word in words:
        assert word in caught.value.message


def test_a_sealed_run_is_read(directory):
    run = rundir.load(directory)
    assert (run.lab, run.facts.nat.name) == ("nat", "none")
    assert set(run.facts.captures) == {"lan", "wan", "alice", "bob"}
    assert run.facts.events
    assert run.facts.conntrack


def test_a_foreign_directory_is_refused(tmp_path):
    refused(tmp_path, "is not a finished run", "has no meta.json, which is written last")


def test_a_path_that_is_no_directory_is_refused(tmp_path):
    refused(tmp_path / "nothing", "is not a directory", "a run directory was wanted")


@pytest.mark.parametrize("name", ["wan.pcap", "events.jsonl", "compose.json"])
def test_a_missing_file_is_noticed(directory, name):
    (directory / name).unlink()
    refused(directory, "is damaged", name, "and is missing now")


@pytest.mark.parametrize("name", ["wan.pcap", "events.jsonl", "run.pcapng"])
def test_a_truncated_file_is_noticed(directory, name):
    path = directory / name
    path.write_bytes(path.read_bytes()[:-5])
    refused(directory, "is damaged", name, "when the run was sealed")


def test_a_capture_cut_before_the_seal_is_noticed_too(directory):
    path = directory / "wan.pcap"
    path.write_bytes(path.read_bytes()[:-5])
    _reseal(directory)
    refused(directory, "wan.pcap is cut short")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fourtuple": 99}', '{"name": "somebody else\'s"}'])
def test_another_meta_is_refused(directory, text):
    (directory / "meta.json").write_text(text)
    refused(directory, "meta.json")


@pytest.mark.parametrize("key", ["nat", "lab", "files", "conntrack"])
def test_a_meta_without_a_part_is_refused(directory, key):
    meta = json.loads((directory / "meta.json").read_text())
    del meta[key]
    (directory / "meta.json").write_text(json.dumps(meta))
    refused(directory, "is damaged", key)


def test_an_event_that_is_none_is_noticed(directory):
    (directory / "events.jsonl").write_text('{"not": "an event"}\n')
    _reseal(directory)
    refused(directory, "is damaged", "not an event")


def _reseal(directory):
    meta = json.loads((directory / "meta.json").read_text())
    meta["files"] = {name: (directory / name).stat().st_size for name in meta["files"]}
    (directory / "meta.json").write_text(json.dumps(meta))


PLACES = ("meta.json", "compose.json")
_READ = {
    "networks",
    "network_mode",
    "environment",
    "ipam",
    "name",
    "nat",
    "lab",
    "conntrack",
    "files",
    "fourtuple",
    "ended",
}


def _leaves(value, path=()):
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _leaves(value[key], (*path, key))
    else:
        yield path


@pytest.mark.parametrize("name", PLACES)
def test_whatever_one_value_says_it_is_refused_or_judged_but_never_dies(directory, name):
    """Each leaf of the two JSON files replaced in turn by things it should not be."""
    good = (directory / name).read_text()
    for path in _leaves(json.loads(good)):
        if not _READ & {*path} or path[:1] in (("rules",), ("seconds",), ("images",), ("taps",)):
            continue  # nothing is computed from these
        for wrong in (None, 7, "x", []):
            value = json.loads(good)
            place = value
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = wrong
            (directory / name).write_text(json.dumps(value))
            if name != "meta.json":
                _reseal(directory)
            _judge(directory)


def _judge(directory):
    """Judge it, or be refused in one sentence; anything else is a failure of the test."""
    refused = ""
    try:
        report.judge(rundir.load(directory))
    except LabError as error:
        refused = error.message
    assert len(refused.splitlines()) <= 1


@given(st.integers(0, 10_000), st.binary(max_size=3))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_an_event_file_holds_it_is_refused_or_judged(directory, place, noise):
    path = directory / "events.jsonl"
    good = (RECORDINGS / "nat-none" / "events.jsonl").read_bytes()
    path.write_bytes(good[:place] + noise + good[place + len(noise) :])
    _reseal(directory)
    _judge(directory)
