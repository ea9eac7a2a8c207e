"""The lab on real containers, as its users run it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from ..conftest import CHECKOUT, run_invoke
from .support import FINISH, running, traces

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("image")]


@pytest.mark.parametrize("nat", ["masquerade", "apdm/eif ports=sequential"])
def test_every_claim_holds_with_every_nat_and_nothing_is_left(engine, nat, tmp_path):
    before = traces(engine)
    done = run_invoke("lab", "nat", "--nat", nat, "--out", str(tmp_path), "--json", "--junit", f"{tmp_path}/out.xml")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert (said["nat"], said["summary"]) == (nat, "10 claims: 10 hold")
    assert traces(engine) == before
    assert (tmp_path / "out.xml").read_text().count("<testcase") == 10
    again = run_invoke("judge", said["run"], "--json", DOCKER_HOST="unix:///nonexistent")
    assert json.loads(again.stdout)["claims"] == said["claims"]


def test_a_person_sees_lesson_picture_steps_packets_claims_and_the_way_on(engine, tmp_path):
    shown = run_invoke("lab", "nat", "--out", str(tmp_path)).stdout
    landmarks = [
        "What a NAT does to a 4-tuple",
        "client1 10.",
        "▸ client1 binds",
        "packet   ",
        "✓ On the LAN",
        "10 claims",
    ]
    places = [shown.index(landmark) for landmark in landmarks]
    assert places == sorted(places)
    path = next(line.strip() for line in shown.splitlines() if line.strip().startswith(str(tmp_path)))
    assert f"invoke judge {path}" in shown
    assert {file.name for file in Path(path).iterdir()} == {
        *("alice.pcap", "bob.pcap", "lan.pcap", "wan.pcap", "run.pcapng"),
        *("compose.json", "events.jsonl", "meta.json", "logs"),
    }


def test_two_at_once_on_one_engine_both_succeed(engine, tmp_path):
    before = traces(engine)
    with (
        running("lab", "nat", "--json", "--out", str(tmp_path)) as one,
        running("lab", "nat", "--json", "--out", str(tmp_path)) as other,
    ):
        outputs = [process.communicate(timeout=FINISH) for process in (one, other)]
        assert [process.returncode for process in (one, other)] == [0, 0], outputs
    assert len(list((tmp_path / "nat").iterdir())) == 2
    assert traces(engine) == before


def test_a_lab_can_be_left_up_looked_into_and_ended(engine, tmp_path):
    before = traces(engine)
    shown = run_invoke("lab", "nat", "--keep", "--out", str(tmp_path)).stdout
    instance = shown.split("instance ")[1].split(" ")[0]
    try:
        asked = subprocess.run(
            [sys.executable, "-m", "invoke", "shell", "client1", "--instance", instance],
            cwd=CHECKOUT,
            input="ip -br addr; exit\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"10.{instance}.1.10/24" in asked.stdout
        assert asked.stderr.startswith("+ docker exec -i ")
    finally:
        ended = json.loads(run_invoke("down", "--json", "--instance", instance).stdout)
    assert [(it["lab"], it["instance"]) for it in ended] == [("nat", instance)]
    assert traces(engine) == before


def test_up_and_capture_show_packets_with_the_exact_command(engine, tmp_path):
    before = traces(engine)
    shown = run_invoke("up", "nat").stdout
    instance = shown.split("instance ")[1].split(" ")[0]
    try:
        file = tmp_path / "wan.pcap"
        with running("capture", "wan", "--file", str(file), "--instance", instance) as capture:
            assert capture.stderr is not None
            command = capture.stderr.readline()
            assert command.startswith("+ docker run --rm ")
            assert f"TAP_ADDRESS=198.18.{instance}.2" in command
            while "listening on" not in capture.stderr.readline():
                pass
            client = engine.api.containers(filters={"label": f"fourtuple.instance={instance}"})
            names = {it["Labels"].get("com.docker.compose.service"): it["Id"] for it in client}
            argv = ["python3", "-m", "fourtuple.agents.client", "udp", f"198.18.{instance}.10:8000", "40000"]
            engine.api.exec_start(engine.api.exec_create(names["client1"], argv)["Id"])
            capture.send_signal(2)
            capture.communicate(timeout=FINISH)
        from fourtuple.evidence.capture import read

        assert f"198.18.{instance}.2:40000" in {str(packet.flow.source) for packet in read({"wan": file})["wan"]}
    finally:
        run_invoke("down", "--instance", instance)
    assert traces(engine) == before


def test_the_topology_works_by_hand(engine, tmp_path):
    """`docker compose up` with no Python on the host, and the programs in the containers started by hand."""
    before = traces(engine)

    def compose(*words):
        argv = ["docker", "compose", "-f", "compose/nat.yml", *words]
        return subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=FINISH)

    up = compose("up", "-d")
    try:
        assert up.returncode == 0, up.stderr
        server = ["exec", "-d", "alice", "python3", "-m", "fourtuple.agents.server", "8000"]
        assert compose(*server).returncode == 0
        seen = set()
        for _ in range(50):  # until the server in the container listens
            for transport in ("udp", "tcp"):
                client = ["python3", "-m", "fourtuple.agents.client", transport, "198.18.0.10:8000", "40000"]
                done = compose("exec", "-T", "client1", *client)
                seen |= {transport} if "the server says: you are 198.18.0.2:40000: hello" in done.stdout else set()
            if seen == {"udp", "tcp"}:
                break
        assert seen == {"udp", "tcp"}, done.stdout + done.stderr
    finally:
        compose("down", "-t", "0")
    assert traces(engine) == before


def test_doctor_finds_this_machine_able(engine):
    before = traces(engine)
    done = run_invoke("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0, findings
    assert "sent by client1, read by alice" in findings["a frame through a router"]["found"]
    assert traces(engine) == before


def test_the_image_is_small_and_says_what_is_in_it(engine, image):
    from fourtuple.stage import images

    seen = engine.api.inspect_image(f"{images.NAME}:{image}")
    assert seen["Config"]["Labels"][images.CONTENT] == images.content_hash() == image
    assert seen["Size"] <= 125_000_000


def test_the_image_holds_the_programs_what_they_import_and_nothing_else_of_ours(engine, image):
    """No labs, and no room that a container has no use for: kit, evidence, report, stage, cli."""
    from fourtuple.stage import images

    made = engine.api.create_container(f"{images.NAME}:{image}", ["true"])["Id"]
    try:
        packed, _ = engine.api.get_archive(made, "/opt/fourtuple")
        with tarfile.open(fileobj=io.BytesIO(b"".join(packed))) as tar:
            names = {it.name for it in tar if it.isfile() and "__pycache__" not in it.name}
    finally:
        engine.api.remove_container(made, force=True)
    assert names == {f"fourtuple/{name}" for name, _ in images._ingredients() if "/" in name}
    assert {PurePosixPath(name).suffix for name in names} == {".py"}
    assert {PurePosixPath(name).parts[1:3] for name in names} == {
        ("fourtuple", it) for it in ("__init__.py", "net", "agents")
    }


def test_setup_is_a_quick_no_op_where_everything_is_there(engine):
    done = run_invoke("setup", timeout=20)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_setup_and_lab_run_from_one_line(engine, tmp_path):
    done = run_invoke("setup", "lab", "nat", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "10 claims: 10 hold" in done.stdout


def test_an_image_of_another_checkout_is_noticed_and_rebuilt(engine, image, tmp_path):
    """A copy of the checkout with one more line in a program: its image is not there, so it is built."""
    copy = tmp_path / "checkout"
    tracked = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    for name in tracked.stdout.splitlines():
        if name.startswith(("fourtuple/", "labs/", "images/", "compose/", "tasks.py")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((CHECKOUT / name).read_bytes())
    with (copy / "fourtuple" / "agents" / "client.py").open("a") as program:
        program.write(f"# {os.getpid()}\n")
    code = (
        "from fourtuple.stage import engine, images, narrator\n"
        "print(images.ensure(engine.connect(), narrator.Narrator()))"
    )
    argv = ["python3", "-W", "ignore", "-c", code]
    done = subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False, env=_own_python(copy))
    assert done.stderr.startswith(f"the image ({image}) is of another fourtuple than this (")
    engine.api.remove_image(f"fourtuple/node:{done.stdout.strip()}")
    engine.api.tag(f"fourtuple/node:{image}", "fourtuple/node", "latest")


def _own_python(checkout):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(checkout)}
