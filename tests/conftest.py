"""What tests share: recordings, the command line as a process, and an engine where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fourtuple.errors import LabError

CHECKOUT = Path(__file__).resolve().parent.parent
RECORDINGS = CHECKOUT / "tests" / "recordings"

Invoke = Callable[..., "subprocess.CompletedProcess[str]"]


def run_invoke(*words: str, timeout: float = 120, **variables: str) -> subprocess.CompletedProcess[str]:
    """`invoke WORDS` as a person would run it, from the checkout."""
    return subprocess.run(
        [sys.executable, "-m", "invoke", *words],
        cwd=CHECKOUT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def invoke() -> Invoke:
    return run_invoke


@pytest.fixture(scope="session")
def engine():
    """The engine live tests run on: skipped with the reason where there is none, a failure in CI."""
    from fourtuple.stage import engine as module

    try:
        return module.connect()
    except LabError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI has no engine to test on: {error.message}")
        pytest.skip(f"needs a Docker engine: {error.message}")


@pytest.fixture(scope="session")
def image(engine) -> str:
    """The tag of the image of this checkout, built where it is missing."""
    from fourtuple.stage import images
    from fourtuple.stage.progress import Silent

    return images.ensure(engine, Silent())
