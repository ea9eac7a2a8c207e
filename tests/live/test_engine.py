"""An engine that freezes, dies or is started anew: the command ends in time and tells what is left.

All of it on an engine of the tests' own.
"""

from __future__ import annotations

import os
import re
import signal
import time

import pytest

from fourtuple.stage import ownership

from ..conftest import run_invoke
from .own_engine import missing, own_engine
from .support import running, until_event

pytestmark = pytest.mark.live
TEN_SECONDS, HALF_A_MINUTE = 10.0, 30.0


@pytest.fixture(scope="module")
def loaded(engine, image):
    """An engine of our own that has the lab's image."""
    if why := missing():
        if os.environ.get("CI"):
            pytest.fail(f"CI cannot start an engine to be frozen and killed: {why}")
        pytest.skip(why)
    with own_engine() as own:
        own.connect().api.load_image(engine.api.get_image(f"fourtuple/node:{image}"))
        yield own


@pytest.fixture
def own(loaded):
    """... which works, and has nothing of ours on it, before and after."""
    assert ownership.inventory(loaded.connect()) == []
    yield loaded
    loaded.send(signal.SIGCONT)
    ownership.sweep(loaded.connect(), everything=True)


def run_until(own, tmp_path, kind, action):
    """A run of the lab, up to such an event."""
    wait = until_event(own.connect(), kind, action)
    return running("lab", "nat", "--out", str(tmp_path), DOCKER_HOST=own.host), wait


def test_a_frozen_engine_is_a_sentence_in_seconds(own, tmp_path):
    own.send(signal.SIGSTOP)
    began = time.monotonic()
    done = run_invoke("lab", "nat", "--out", str(tmp_path), DOCKER_HOST=own.host)
    assert time.monotonic() - began < 15
    assert done.returncode == 2
    assert re.match(r"the Docker engine at unix://\S+ \(DOCKER_HOST\) does not answer: .* within 8 s\n", done.stderr)


@pytest.mark.parametrize(("kind", "action"), [("network", "create"), ("container", "start")])
def test_ctrl_c_ends_a_run_on_a_frozen_engine_and_tells_what_is_left(own, tmp_path, kind, action):
    run, wait = run_until(own, tmp_path, kind, action)
    with run as process:
        wait()
        own.send(signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TEN_SECONDS)
    assert process.returncode == 130
    assert "the engine did not answer within" in errors
    assert "When it answers again, `invoke sweep` removes them." in errors
    assert not list(tmp_path.rglob("*.part"))
    own.send(signal.SIGCONT)
    assert "of run" in run_invoke("sweep", DOCKER_HOST=own.host).stdout
    assert ownership.inventory(own.connect()) == []


@pytest.mark.parametrize(
    ("kind", "action", "number"),
    [
        ("network", "create", signal.SIGKILL),
        ("container", "start", signal.SIGKILL),
        ("container", "start", signal.SIGTERM),
    ],
)
def test_an_engine_that_is_started_anew_is_waited_for_and_left_clean(own, tmp_path, kind, action, number):
    run, wait = run_until(own, tmp_path, kind, action)
    with run as process:
        wait()
        own.send(number)
        own.start()
        _, errors = process.communicate(timeout=HALF_A_MINUTE)
    assert process.returncode == 2, errors
    assert "Traceback" not in errors
    assert ownership.inventory(own.connect()) == []
    assert not list(tmp_path.rglob("*.part"))


def test_an_engine_that_stays_away_is_waited_for_with_a_bound(own, tmp_path):
    run, wait = run_until(own, tmp_path, "container", "start")
    try:
        with run as process:
            wait()
            own.send(signal.SIGKILL)
            assert process.stderr is not None
            line = process.stderr.readline()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=TEN_SECONDS)
        assert "waiting up to 25 s for it, to remove what run" in line
        assert process.returncode == 130
        assert "When it answers again, `invoke sweep` removes them." in errors
    finally:
        own.start()
