"""The recordings that the tests judge: real runs, kept in the repository, one for each NAT."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from . import run
from .session import Session

HOME = Path(__file__).resolve().parents[2] / "tests" / "recordings"


def record(session: Session) -> Path:
    """Run the lab and put the run where the tests find it, in place of the one before; returns where."""
    place = HOME / f"{session.lab.name}-{session.nat.name}"
    with TemporaryDirectory(prefix="fourtuple-") as scratch:
        ran = run.run(session.engine, session.lab, session.nat, session.image, Path(scratch), run.Audience())
        ran.removal()
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(ran.path, place)
    return place
