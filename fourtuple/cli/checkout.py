"""What is done in a checkout only: test, lint."""

from __future__ import annotations

import subprocess
import sys

from invoke import Context, task

from .. import places
from ..stage.command import command


@task(help={"pick": "only tests that match this expression (pytest -k)", "live": "only tests that need an engine"})
@command
def test(_: Context, pick: str = "", live: bool = False) -> int:
    """Run the tests: pure ones, the claims on their recordings, and the live ones where an engine answers."""
    argv = [sys.executable, "-m", "pytest", *(["-k", pick] if pick else []), *(["-m", "live"] if live else [])]
    return subprocess.run(argv, cwd=places.checkout(), check=False).returncode


@task
@command
def lint(_: Context) -> int:
    """ruff and mypy, as CI runs them (pip install -e '.[dev]')."""
    for argv in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        done = subprocess.run([sys.executable, "-m", *argv], cwd=places.checkout(), check=False)
        if done.returncode:
            return done.returncode
    return 0
