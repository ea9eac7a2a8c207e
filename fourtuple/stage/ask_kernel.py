"""One question about bind(), asked of the engine's kernel: a host without a network, for as long as it takes."""

from __future__ import annotations

from ..errors import DriveError, UsageError
from ..net.bind_answer import Answer
from ..net.bind_case import Case, parse
from . import images
from .engine import connect
from .progress import Progress
from .stage import Stage, new_run

_EXAMPLE = "For example: --first 'tcp 0.0.0.0:80 listening' --second 'tcp 10.0.0.1:80'"


def read(first: str, second: str) -> Case:
    """The two sockets as a person typed them; UsageError says which word is wrong."""
    try:
        return parse(first, second)
    except ValueError as error:
        raise UsageError(str(error), _EXAMPLE) from None


def ask(case: Case, tell: Progress) -> Answer:
    """What the kernel says, and what was tried. UsageError where this host cannot build one of the sockets."""
    engine = connect()
    stage = Stage(engine, "single", new_run(), "none", images.ensure(engine, tell))
    try:
        stage.build()
        stage.attach()
        stage.start()
        request = {"step": "", "socket": "", "call": "act", "args": ["bind_oracle.tell", *case.spelled()]}
        event = stage.nodes()["srv"].ask(request)
    finally:
        stage.remove()
    if event.error is not None:
        raise DriveError(f"the kernel could not be asked: {event.error}")
    said = Answer(**event.result | {"tried": tuple(event.result["tried"])})
    if said.bind.startswith("cannot:"):
        raise UsageError(
            f"this socket cannot be made where the kernel is asked: {said.tried[0]}",
            "That is a host with the interface lo only: a connection ends at 127.0.0.1 or ::1, a device is lo.",
        )
    return said
