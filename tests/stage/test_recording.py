"""A run directory is whole or is not there; what dead runs were writing goes, whatever became of it."""

import os
import subprocess
import sys

import pytest

from fourtuple.evidence import rundir
from fourtuple.stage import ownership, recording
from fourtuple.stage.recording import Recording

from ..conftest import run_invoke


@pytest.fixture(scope="module")
def dead():
    """The owner a process was that has ended."""
    code = "from fourtuple.stage.ownership import owner_of_this_process as o; print(o())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def part(out, owner):
    """A directory somebody was writing."""
    place = out / "nat" / "run.part"
    place.mkdir(parents=True)
    (place / "wan.pcap").write_bytes(b"")
    if owner is not None:
        (place / "owner").write_bytes(owner)
    return place


def test_what_a_dead_run_was_writing_is_removed_by_the_next_one_and_by_sweep(tmp_path, dead):
    for clear in (lambda: recording.clear_dead(tmp_path), lambda: Recording(tmp_path / "bind" / "next").discard()):
        place = part(tmp_path, dead.encode())
        clear()
        assert not place.exists()


def test_sweep_tells_what_it_removed(tmp_path, dead):
    place = part(tmp_path, dead.encode())
    done = run_invoke("sweep", "--out", str(tmp_path), DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert done.stdout == f"removed the unfinished run directory {place}\n"
    assert not place.exists()


@pytest.mark.parametrize("owner", [None, b"", b"\xff\xfe\x00/1/1", b"9" * 10_000_000, b"machine/1"])
def test_what_says_nothing_of_its_owner_is_left_alone(tmp_path, owner):
    place = part(tmp_path, owner)
    assert recording.clear_dead(tmp_path) == []
    assert place.exists()


def test_an_owner_with_a_huge_pid_is_left_alone(tmp_path):
    place = part(tmp_path, f"{ownership._machine()}/{'9' * 30}/1".encode())
    Recording(tmp_path / "nat" / "next").discard()
    assert place.exists()


@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_an_owner_that_is_no_file_is_left_alone(tmp_path, kind):
    place = part(tmp_path, None)
    (os.mkfifo if kind == "fifo" else os.mkdir)(place / "owner")
    assert recording.clear_dead(tmp_path) == []


def test_a_run_has_its_owner_until_it_is_sealed(tmp_path):
    """Killed at any moment before, it is cleared away."""
    made = Recording(tmp_path / "nat" / "run")
    assert recording._owner(made.part) == ownership.owner_of_this_process()
    made.text(f"{rundir.LOGS}/alice.log", "")
    sealed = made.seal({})
    assert sorted(path.name for path in sealed.iterdir()) == ["events.jsonl", "logs", "meta.json"]
    assert '"owner"' not in (sealed / "meta.json").read_text()


@pytest.mark.parametrize("there", [True, False])
def test_git_ignores_a_directory_that_was_made_for_runs_and_only_that(tmp_path, there):
    out = tmp_path / "some" / "where"
    if there:
        out.mkdir(parents=True)
    Recording(out / "nat" / "run").seal({})
    assert (out / ".gitignore").exists() is not there
    if not there:
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
        said = subprocess.run(["git", "-C", str(tmp_path), "status", "--porcelain"], capture_output=True, check=True)
        assert said.stdout == b""


@pytest.mark.parametrize("there", [True, False])
def test_a_run_that_did_not_end_well_leaves_no_directory_that_was_made_for_it(tmp_path, there):
    out = tmp_path / "out"
    if there:
        out.mkdir()
    Recording(out / "nat" / "run").discard()
    assert out.exists() is there
    assert not list(out.glob("*"))


def test_what_others_wrote_meanwhile_stays(tmp_path):
    first = Recording(tmp_path / "out" / "nat" / "first")
    second = Recording(tmp_path / "out" / "nat" / "second")
    first.discard()
    assert second.part.is_dir()
    assert (tmp_path / "out" / ".gitignore").exists()
    second.discard()
