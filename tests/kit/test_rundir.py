"""A run directory is read whole, or refused in one sentence that says what is wrong with it."""

import json
import shutil

import pytest

from labs.kit import rundir
from labs.kit.errors import UsageError

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
    refused(directory, "is damaged", name, "and has none now")


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
