"""What every task has in common, each shown by a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest


def ended(code, *words):
    """How a process of Python ends that runs this. It hears Ctrl-C, also where a script that ignores it started us."""
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, timeout=20,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


TASK = """
import atexit, os, signal, sys
from fourtuple.errors import LabError
from fourtuple.stage.command import command

def late():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)

@command
def task(how):
    if how == "interrupted":
        os.kill(os.getpid(), signal.SIGTERM)
    if how == "wrong":
        raise LabError("wanted this, found that", "Do something.")
    return int(how == "fails")

atexit.register(late)
task(sys.argv[1])
"""


@pytest.mark.parametrize(("how", "code"), [("holds", 0), ("fails", 1), ("wrong", 2), ("interrupted", 130)])
def test_a_signal_that_comes_while_python_shuts_down_changes_nothing(how, code):
    done = ended(TASK, how)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_signal_the_caller_ignores_stays_ignored():
    ignore = lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)  # noqa: E731
    done = subprocess.run([sys.executable, "-c", TASK, "interrupted"], preexec_fn=ignore, check=False)
    assert done.returncode == 0


LOST = """
import os, signal, sys, weakref
from fourtuple.stage import signals
from fourtuple.stage.command import command

class Thing: pass

def lose(_):
    os.kill(os.getpid(), signal.SIGTERM)
    for _number in range(1000):  # the handler runs in here, and what it raises goes nowhere
        pass

def body():
    thing = Thing()
    held = weakref.ref(thing, lose)
    del thing
    signal.pause()

if sys.argv[1] == "task":
    command(body)()
else:
    signals.end_on_any()
    body()
"""


@pytest.mark.parametrize("when", ["task", "before"])
def test_an_interruption_inside_a_callback_of_python_is_not_lost(when):
    """Every import has such a callback; what is raised in it is printed as "Exception ignored" and forgotten."""
    done = ended(LOST, when)
    assert done.returncode == 130
    assert done.stderr == "interrupted\n"


CLEARING = """
import os, signal
from fourtuple.errors import SetupError
from fourtuple.stage.command import command
from fourtuple.stage.signals import undisturbed

@command
def task():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        with undisturbed():
            raise SetupError("the engine did not answer", "Sweep.")

task()
"""


def test_a_clearing_away_that_fails_after_an_interruption_is_told_and_ends_with_130():
    done = ended(CLEARING)
    assert done.returncode == 130
    assert done.stderr == "the engine did not answer\nSweep.\n"


NOTED = """
import os, signal, sys
from fourtuple.stage.command import command
from fourtuple.stage.signals import undisturbed

@command
def task():
    with undisturbed():
        os.kill(os.getpid(), signal.SIGINT)
        print("cleared away", flush=True)
    print("went on")

task()
"""


def test_an_interruption_while_something_is_cleared_away_ends_the_command_after_it():
    done = ended(NOTED)
    assert (done.returncode, done.stdout, done.stderr) == (130, "cleared away\n", "interrupted\n")


STUCK = """
import os, signal, socket, sys, threading
from fourtuple.stage.command import command
from fourtuple.stage.hands import hands

here, there = socket.socketpair()

@command
def task():
    with hands() as calling:
        list(calling.map(lambda _: (os.kill(os.getpid(), signal.SIGINT), here.recv(1)), [1]))

task()
"""


def test_a_call_that_is_never_answered_does_not_keep_an_interrupted_command():
    done = ended(STUCK)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


PRINTS = """
import sys
from fourtuple.stage.command import as_json, command

@command
def task():
    as_json(list(range(int(sys.argv[1]))))

task()
"""


@pytest.mark.parametrize("size", ["1", "100000"])  # less than a buffer, and more than a pipe
def test_a_reader_that_leaves_is_no_verdict(size):
    with subprocess.Popen(
        [sys.executable, "-c", PRINTS, size], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


def test_an_answer_that_cannot_be_written_is_a_sentence():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", PRINTS, "1"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (2, "the system refused: No space left on device\n")
