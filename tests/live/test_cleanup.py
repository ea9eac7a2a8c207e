"""However a run ends, what it made is gone; what is not its own is never touched. All for real."""

from __future__ import annotations

import signal
import time

import pytest

from fourtuple.stage import ownership

from ..conftest import run_invoke
from .support import FINISH, running, traces, until_event

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("image")]

TEN_SECONDS = 10.0
MOMENTS = [("network", "create"), ("container", "create"), ("container", "start"), ("container", "destroy")]


@pytest.mark.parametrize(("kind", "action"), MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_within_ten_seconds(engine, tmp_path, kind, action, number):
    before = traces(engine)
    wait = until_event(engine, kind, action)
    with running("lab", "nat", "--out", str(tmp_path)) as process:
        wait()
        process.send_signal(number)
        began = time.monotonic()
        process.communicate(timeout=FINISH)
        took = time.monotonic() - began
    assert took < TEN_SECONDS
    assert traces(engine) == before
    assert process.returncode == (0 if action == "destroy" and process.returncode == 0 else 130)
    if process.returncode:
        assert not list(tmp_path.rglob("*.part"))


def test_ctrl_c_while_the_steps_are_played_leaves_nothing(engine, tmp_path):
    before = traces(engine)
    with running("lab", "nat", "--out", str(tmp_path)) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("▸"):
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TEN_SECONDS)
    assert traces(engine) == before
    assert process.returncode in (130, 0)
    assert "Traceback" not in errors


def test_a_second_ctrl_c_does_not_stop_the_clearing_away(engine, tmp_path):
    before = traces(engine)
    wait = until_event(engine, "container", "start")
    with running("lab", "nat", "--out", str(tmp_path)) as process:
        wait()
        wait = until_event(engine, "container", "kill")
        process.send_signal(signal.SIGINT)
        wait()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TEN_SECONDS)
    assert traces(engine) == before


def test_two_ctrl_c_while_compose_creates_leave_nothing(engine, tmp_path):
    before = traces(engine)
    wait = until_event(engine, "network", "create")
    with running("lab", "nat", "--out", str(tmp_path)) as process:
        wait()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TEN_SECONDS)
    assert process.returncode == 130
    assert errors.strip() == "interrupted"
    assert traces(engine) == before


def killed(engine, tmp_path):
    """A run that was killed with -9 when its containers were starting; returns its belongings."""
    before = {mine.run for mine in ownership.inventory(engine)}
    wait = until_event(engine, "container", "start")
    with running("lab", "nat", "--out", str(tmp_path)) as process:
        wait()
        process.kill()
        process.communicate(timeout=FINISH)
    return next(mine for mine in ownership.inventory(engine) if mine.run not in before)


def test_what_kill_9_leaves_is_swept(engine, tmp_path):
    before = traces(engine)
    left = killed(engine, tmp_path)
    assert left.containers
    assert left.networks
    done = run_invoke("sweep")
    assert done.returncode == 0, done.stderr
    assert f"of run {left.run}" in done.stdout
    assert traces(engine) == before


def test_what_kill_9_leaves_is_removed_by_the_next_start(engine, tmp_path):
    before = traces(engine)
    left = killed(engine, tmp_path)
    done = run_invoke("lab", "nat", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert f"removed what the dead run {left.run} had left behind" in done.stderr
    assert traces(engine) == before
    assert not list(tmp_path.rglob("*.part")), "the half-written run directory of the dead run"


def test_a_lab_to_be_left_up_that_was_killed_half_built_is_swept(engine, tmp_path):
    before = traces(engine)
    wait = until_event(engine, "container", "create")
    with running("up", "nat") as process:
        wait()
        process.kill()
        process.communicate(timeout=FINISH)
    try:
        for _ in range(100):  # Compose, in a session of its own, finishes what it was creating
            if len(ownership.inventory(engine)[0].containers) == 5:
                break
        assert "of run" in run_invoke("sweep").stdout
    finally:
        run_invoke("down")
    assert traces(engine) == before


def test_two_runs_that_start_after_a_killed_one_both_succeed(engine, tmp_path):
    """Both sweep what it left: each waits for what the other one is removing."""
    before = traces(engine)
    killed(engine, tmp_path)
    out = ("--json", "--out", str(tmp_path))
    with running("lab", "nat", *out) as one, running("lab", "nat", *out) as other:
        outputs = [process.communicate(timeout=FINISH) for process in (one, other)]
        assert [process.returncode for process in (one, other)] == [0, 0], outputs
    assert traces(engine) == before


def test_what_is_not_ours_and_what_is_running_is_never_touched(engine, image, tmp_path):
    """A stranger's container with a name like ours, a stranger's network, a lab left up, and one of another machine."""
    api = engine.api
    before = traces(engine)
    foreign = api.create_container(f"fourtuple/node:{image}", ["true"], name="fourtuple-nat-1-client1-1")["Id"]
    network = api.create_network("fourtuple-nat-1_lan")["Id"]
    elsewhere = api.create_container(
        f"fourtuple/node:{image}",
        ["true"],
        labels={ownership.PROJECT: "fourtuple", ownership.RUN: "far", ownership.OWNER: "another-machine/1/1"},
    )["Id"]
    try:
        run_invoke("up", "nat")
        kept = traces(engine)
        wait = until_event(engine, "container", "start")
        with running("lab", "nat", "--out", str(tmp_path)) as process:
            wait()
            swept = run_invoke("sweep")
            assert "no dead run has left anything" in swept.stdout
            assert "it is running" in swept.stdout
            assert "another-machine" in swept.stdout
            output, errors = process.communicate(timeout=FINISH)
        assert process.returncode == 0, output + errors
        assert traces(engine) == kept
        run_invoke("down")
        assert {foreign, elsewhere} <= set(traces(engine)["containers"])
        assert network in traces(engine)["networks"]
        assert "of run far" in run_invoke("sweep", "--everything").stdout
        assert elsewhere not in traces(engine)["containers"]
    finally:
        run_invoke("down")
        for container in {foreign, elsewhere} & set(traces(engine)["containers"]):
            api.remove_container(container, force=True)
        api.remove_network(network)
    assert traces(engine) == before
