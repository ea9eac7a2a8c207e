"""How this program was started, and so how its commands are typed: `fourtuple lab nat`, or `invoke lab nat`.

Sentences are written with `invoke`; where they are told to a person, the name is put right.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_NAMED = re.compile(r"`(?:invoke|fourtuple)(?=[ `])")


def name() -> str:
    """`fourtuple` where it was started as that (`python -m fourtuple` too), else `invoke`."""
    started = Path(sys.argv[0])
    return "fourtuple" if "fourtuple" in (started.name, started.parent.name) else "invoke"


def as_typed(text: str) -> str:
    """A text with commands between backticks, each with the name this program was started by."""
    return _NAMED.sub(f"`{name()}", text)
