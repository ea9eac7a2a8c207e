"""The recordings that the tests judge: real runs, kept in the repository, one for each NAT."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from .. import places
from ..kit.lab import Lab
from ..net import presets
from . import run
from .session import Session


def name(lab: Lab, nat: str) -> str:
    """What the recording of a lab with a NAT is called; a lab with one behaviour only gives it its own name."""
    return f"{lab.name}-{presets.slug(presets.parse(nat))}" if len(lab.nats) > 1 else lab.name


def record(session: Session, full: bool = False) -> Path:
    """Run the lab and put the run where the tests find it, in place of the one before; returns where.

    UsageError in an installation.
    """
    place = places.checkout() / "tests" / "recordings" / name(session.lab, presets.text(session.nat))
    with TemporaryDirectory(prefix="fourtuple-") as scratch:
        ran = run.run(session, Path(scratch), run.Audience(), full=full)
        ran.removal()
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(ran.path, place)
    return place
