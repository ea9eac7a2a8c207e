"""The labs there are: every module or package beside this one that is no part of the machinery."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from .errors import UsageError
from .lab import Lab
from .nearest import did_you_mean

_HOME = Path(__file__).parent.parent
_MACHINERY = {"agents", "kit", "net", "stage"}


def names() -> tuple[str, ...]:
    """The names of all labs, sorted; where a module has `_`, its lab has `-`."""
    return tuple(
        sorted(
            module.name.replace("_", "-")
            for module in pkgutil.iter_modules([str(_HOME)])
            if module.name not in _MACHINERY
        )
    )


def find(name: str) -> Lab:
    """The lab called `name`; UsageError lists the ones there are."""
    if name not in names():
        raise UsageError(
            f"there is no lab called {name!r}; there are: {', '.join(names())}",
            f"See `invoke catalog`.{did_you_mean(name, names())}",
        )
    lab = _module(name).lab
    assert isinstance(lab, Lab)
    return lab


def lesson(name: str) -> str:
    """What the lab's module says of itself."""
    return (_module(name).__doc__ or "").strip()


def files(name: str) -> tuple[Path, ...]:
    """The files a lab's code is in: its module, or each module of its package."""
    home = Path(str(_module(name).__file__))
    return tuple(sorted(home.parent.rglob("*.py"))) if home.name == "__init__.py" else (home,)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__package__.rpartition('.')[0]}.{name.replace('-', '_')}")
