"""What goes wrong on a live engine: one sentence, exit code 2, nothing left behind."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from fourtuple.errors import DriveError
from fourtuple.evidence import rundir
from fourtuple.kit import catalog
from fourtuple.kit.lab import Lab
from fourtuple.net.endpoint import Protocol
from fourtuple.net.presets import PRESETS
from fourtuple.report import report
from fourtuple.stage import run
from fourtuple.stage.run import Audience
from fourtuple.stage.session import Session

from ..conftest import run_invoke
from ..stage.fakes import Programs
from .support import traces

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("image")]


def play(engine, image, out, step):
    """Run a lab of one step on the topology of `nat`."""
    lab = Lab("trouble", "Trouble", "nat")
    lab.step(step)
    ran = run.run(Session(lab, PRESETS["masquerade"], engine, image), out, Audience())
    ran.removal()
    return ran


def test_a_container_that_dies_in_a_step_is_named(engine, image, tmp_path):
    before = traces(engine)

    def step(scene):
        """bob is killed."""
        scene.run("bob", "sh", "-c", "kill -9 $PPID")

    with pytest.raises(DriveError, match=r"the program in bob ended while it was asked for run\(sh, -c, kill"):
        play(engine, image, tmp_path, step)
    assert traces(engine) == before
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_step_that_does_not_go_as_written_keeps_its_evidence(engine, image, tmp_path):
    before = traces(engine)

    def listen_to_nobody(scene):
        """alice waits for a datagram that is never sent."""
        sock = scene.socket("alice", Protocol.UDP, "deaf")
        sock.bind(scene.endpoint("alice", 8000))
        sock.recvfrom()

    ran = play(engine, image, tmp_path, listen_to_nobody)
    loaded = rundir.load(ran.path)
    ended = "the step listen_to_nobody did not go as written: .*Connection timed out .alice: recvfrom on 'deaf'"
    assert re.search(ended, str(loaded.facts.meta["ended"]))
    assert loaded.facts.events[-1].error == "ETIMEDOUT"
    assert set(loaded.facts.captures) == {"lan", "wan", "alice", "bob"}
    assert traces(engine) == before


def test_a_router_that_lets_nothing_through_is_judged_undecided_with_its_packets(engine, image, tmp_path):
    """The real lab, after a step that cuts the router off: exit code 2, and what there was is kept."""
    before = traces(engine)
    lab = catalog.find("nat")

    def cut(scene):
        """The router drops everything."""
        scene.run(
            "router",
            "nft",
            "add table ip cut; add chain ip cut f { type filter hook forward priority 0; policy drop; }",
        )

    broken = Lab(lab.name, lab.title, lab.compose, lab.fences, lab.nats)
    broken.step(cut)
    broken.steps.extend(lab.steps)
    ran = run.run(Session(broken, PRESETS["masquerade"], engine, image), tmp_path, Audience())
    ran.removal()
    judged = report.judge(rundir.load(ran.path))
    assert judged.exit_code == 2
    assert "greet_the_servers did not go as written" in judged.ended
    assert judged.run.facts.at("lan").packets
    assert traces(engine) == before


@pytest.mark.parametrize("size", ["16k", "64k", "150k"])
def test_a_full_disk_is_a_sentence(engine, tmp_path, size):
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    before = traces(engine)
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "small", str(small)], check=True)
    try:
        done = run_invoke("lab", "nat", "--json", "--out", str(small))
        left = [path for path in small.rglob("*") if path.is_file()]
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert done.returncode == 2, done.stderr
    assert "No space left on device" in done.stderr
    assert "--out DIR" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2
    assert left == []
    assert traces(engine) == before


def test_a_place_that_cannot_be_written_is_a_sentence(engine, tmp_path):
    (tmp_path / "file").write_text("")
    done = run_invoke("lab", "nat", "--out", str(tmp_path / "file"))
    assert done.returncode == 2
    assert "cannot be made: Not a directory" in done.stderr


def test_no_free_subnet_is_a_sentence(engine, tmp_path):
    before = traces(engine)
    pool = {"Config": [{"Subnet": "198.18.0.0/15"}]}
    options = {"com.docker.network.bridge.inhibit_ipv4": "true"}
    network = engine.api.create_network("somebody-else", driver="bridge", ipam=pool, options=options)["Id"]
    try:
        done = run_invoke("lab", "nat", "--out", str(tmp_path))
    finally:
        engine.api.remove_network(network)
    assert done.returncode == 2
    assert "no subnet is free for a lab" in done.stderr
    assert traces(engine) == before


@pytest.mark.parametrize("docker", ["echo \"docker: 'compose' is not a docker command.\" >&2; exit 1", None])
def test_a_missing_compose_or_docker_command_is_a_sentence(engine, tmp_path, docker):
    before = traces(engine)
    programs = Programs(tmp_path)
    if docker:
        programs.add("docker", docker)
    done = run_invoke("lab", "nat", "--out", str(tmp_path / "out"), PATH=programs.path(alone=True))
    assert done.returncode == 2
    wanted = "Docker Compose v2 was wanted" if docker else "the `docker` command was not found"
    assert wanted in done.stderr
    assert traces(engine) == before
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_subnet_taken_by_another_run_meanwhile_is_left_to_it(engine, image, tmp_path, monkeypatch):
    """Somebody else takes the chosen instance between looking and creating: the next free one is used."""
    from fourtuple.stage import compose

    before = traces(engine)
    free = compose.free_instances(engine)
    taken = free[0]
    pool = {"Config": [{"Subnet": f"10.{taken}.1.0/24"}]}
    network = engine.api.create_network("faster", driver="bridge", ipam=pool)["Id"]
    monkeypatch.setattr(compose, "free_instances", lambda _: free)
    try:
        ran = play(engine, image, tmp_path, _nothing)
    finally:
        engine.api.remove_network(network)
    assert ran.instance == free[1]
    assert traces(engine) == before


def _nothing(scene):
    """Nobody does anything."""
