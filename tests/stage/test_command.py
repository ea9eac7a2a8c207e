"""What every task has in common, each shown by a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

TASK = """
import atexit, os, signal, sys
from labs.kit.errors import LabError
from labs.stage.command import command

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
    done = subprocess.run([sys.executable, "-c", TASK, how], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_signal_the_caller_ignores_stays_ignored():
    ignore = lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)  # noqa: E731
    done = subprocess.run([sys.executable, "-c", TASK, "interrupted"], preexec_fn=ignore, check=False)
    assert done.returncode == 0
