"""What every command line task has in common: errors become a sentence and an exit code, in this one place.

Exit codes as diff(1): 0 every claim holds, 1 one does not, 2 it cannot be told (set-up, usage); 130 when interrupted.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

from ..kit.errors import LabError

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def command(body: Callable[..., int | None]) -> Callable[..., None]:
    """Decorator: a task whose body returns an exit code (None is 0) and may raise LabError anywhere.

    Code 0 returns, so that the next task of the command line runs; any other ends the process.
    """

    @wraps(body)
    def guarded(*args: Any, **kwargs: Any) -> None:
        for number in _ENDINGS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a script's background job
                signal.signal(number, _interrupt)
        if code := _run(body, *args, **kwargs):
            sys.exit(code)

    return guarded


def _run(body: Callable[..., int | None], *args: Any, **kwargs: Any) -> int:
    try:
        return body(*args, **kwargs) or 0
    except LabError as error:
        return _complain(error.message, error.hint)
    except KeyboardInterrupt:
        _complain("interrupted; nothing of this run is left")
        return 130
    except OSError as error:
        if not type(error).__module__.startswith(("docker", "requests")):
            raise
        return _complain(f"the engine refused: {getattr(error, 'explanation', None) or error}", "See its own log.")


def _interrupt(*_: int | FrameType | None) -> None:
    """The first one ends the task; whatever follows must not end the clearing away, which is bounded."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _complain(message: str, hint: str = "") -> int:
    print(message, *([hint] if hint else []), sep="\n", file=sys.stderr)  # noqa: T201
    return 2


def as_json(value: object) -> None:
    """Print JSON for programs: the only thing on standard output when it was asked for."""
    print(json.dumps(value, indent=1))  # noqa: T201


def write(what: str, writer: Callable[[Path], None], file: str) -> None:
    """Write a file a person named; LabError, a sentence, where that cannot be."""
    try:
        writer(Path(file))
    except OSError as error:
        raise LabError(f"the {what} {file} cannot be written: {error.strerror}") from None
