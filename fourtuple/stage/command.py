"""What every command line task has in common: errors become a sentence and an exit code, in this one place.

Exit codes as diff(1): 0 every claim holds, 1 one does not, 2 it cannot be told (set-up, usage, evidence that is missing
or came too late); 130 when interrupted, 141 when the reader of its output has left.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

from .. import program
from ..errors import LabError
from . import signals

_READER_LEFT = 141  # a shell's own code for SIGPIPE: that nobody reads on is no verdict


def command(body: Callable[..., int | None]) -> Callable[..., None]:
    """Decorator: a task whose body returns an exit code (None is 0) and may raise LabError anywhere.

    Code 0 returns, so that the next task of the command line runs; any other ends the process.
    """

    @wraps(body)
    def guarded(*args: Any, **kwargs: Any) -> None:
        signals.interrupt_on_any()
        try:
            code = _run(body, *args, **kwargs)
            signals.too_late()
        except KeyboardInterrupt:
            code = _complain("interrupted")
        if code == signals.INTERRUPTED:
            _leave_at_once()
        if code:
            sys.exit(code)

    return guarded


def _run(body: Callable[..., int | None], *args: Any, **kwargs: Any) -> int:
    try:
        code = body(*args, **kwargs) or 0
        sys.stdout.flush()  # or the answer would be found unwritable when it is too late to say so
        return code
    except LabError as error:
        return _complain(error.message, error.hint)
    except BrokenPipeError:
        reader_left()
    except OSError as error:
        if type(error).__module__.startswith(("docker", "requests")):
            from .engine import refusal

            return _complain(refusal(error), "See its own log.")
        return _complain(f"the system refused: {error.strerror or error}{f': {error.filename}' * bool(error.filename)}")


def _leave_at_once() -> None:
    """End an interrupted process. A thread may still wait for an engine that does not answer: Python would wait too."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(signals.INTERRUPTED)


def reader_left() -> NoReturn:
    """End quietly, as a filter does, when whoever read our output reads no more."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nothing, stream.fileno())
    sys.exit(_READER_LEFT)


def _complain(message: str, hint: str = "") -> int:
    said = [program.as_typed(text) for text in (message, hint) if text]
    with suppress(BrokenPipeError):
        print(*said, sep="\n", file=sys.stderr, flush=True)  # noqa: T201
    return signals.INTERRUPTED if signals.interrupted() else 2


def as_json(value: object) -> None:
    """Print JSON for programs: the only thing on standard output when it was asked for."""
    print(json.dumps(value, indent=1))  # noqa: T201


def writable(file: str) -> None:
    """Refuse a file that could not be written in the end, before anything is begun. LabError is the sentence."""
    if file and not Path(file).resolve().parent.is_dir():
        raise LabError(f"{file} cannot be written: there is no directory {Path(file).parent}")


def write(what: str, writer: Callable[[Path], None], file: str) -> None:
    """Write a file a person named; LabError, a sentence, where that cannot be."""
    try:
        writer(Path(file))
    except OSError as error:
        raise LabError(f"the {what} {file} cannot be written: {error.strerror}") from None
