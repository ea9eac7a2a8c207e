"""What is done in a checkout only: test, lint."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from invoke import Context, task

from .. import places
from ..errors import SetupError
from ..stage.command import command


@task(help={"pick": "only tests that match this expression (pytest -k)", "live": "only tests that need an engine"})
@command
def test(_: Context, pick: str = "", live: bool = False) -> int:
    """Run the tests: pure ones, the claims on their recordings, and the live ones where an engine answers."""
    where = _checkout_with("test", "pytest", "hypothesis")
    argv = [sys.executable, "-m", "pytest", *(["-k", pick] if pick else []), *(["-m", "live"] if live else [])]
    return subprocess.run(argv, cwd=where, check=False).returncode


@task
@command
def lint(_: Context) -> int:
    """ruff and mypy, as CI runs them (pip install -e '.[dev]')."""
    where = _checkout_with("dev", "ruff", "mypy")
    for argv in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        done = subprocess.run([sys.executable, "-m", *argv], cwd=where, check=False)
        if done.returncode:
            return done.returncode
    return 0


def _checkout_with(extra: str, *programs: str) -> Path:
    """The checkout; SetupError where one of the programs is not installed, which come with an extra of fourtuple."""
    where = places.checkout()
    missing = [program for program in programs if find_spec(program) is None]
    if missing:
        raise SetupError(f"wanted {' and '.join(missing)}, not installed here: do `pip install -e '.[{extra}]'`")
    return where
