"""A forked process that does one thing and ends, whatever happens: it never goes on as its parent."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable


def begin(body: Callable[[], object]) -> int:
    """Do this in a child; returns its pid. What goes wrong there is written to standard error, its code is then 1."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        body()
        code = 0
    except Exception:  # noqa: BLE001 -- whatever it is, it is to be seen
        print(traceback.format_exc(), file=sys.stderr, flush=True)
    finally:
        os._exit(code)
