"""The labs there are: every module or package that defines one, in the directories that are searched.

Ours lie in `labs/`. Others are found where --labs, the variable FOURTUPLE_LABS and the entry points of the group
`fourtuple.labs` say, or by the path of their file, and are loaded in the same way: by path, under a name of their own.
A module that says `lab = Lab("name", ...)` defines one; a directory without `__init__.py` is a chapter and is searched.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from zlib import crc32

from .. import places
from ..errors import UsageError
from .lab import Lab
from .nearest import did_you_mean

VARIABLE, GROUP = "FOURTUPLE_LABS", "fourtuple.labs"
_DEFINES = re.compile(r"^lab\b[^=\n]*=\s*(?:\w+\.)?Lab\(\s*(?:[\"']([^\"']*)[\"'])?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Defined:
    """Where a lab is defined, and how it is called."""

    name: str
    path: Path


def also(place: str) -> None:
    """Search this directory, or load this file, too (nothing where `place` is empty): here and in the processes that
    are started from now on."""
    if not place:
        return
    if not Path(place).exists():
        raise UsageError(f"there is no {place}; a directory with labs, or the file of one, was wanted")
    os.environ[VARIABLE] = os.pathsep.join(filter(None, (os.environ.get(VARIABLE), str(Path(place).resolve()))))


def names() -> tuple[str, ...]:
    """The names of all labs, sorted. UsageError for two of one name, and for none at all."""
    return tuple(sorted(_index(os.environ.get(VARIABLE, ""))))


def called(word: str) -> str:
    """The name of the lab a person means: by its name, or by the path of its file or package. UsageError for a path
    that is none, or of something that defines no lab."""
    if not word.endswith(".py") and os.sep not in word:
        return word
    also(word)
    path = Path(word)
    if (told := _definition(path)) is None:
        hint = f"Search a directory with --labs {word}." if path.is_dir() else ""
        raise UsageError(f"{word} defines no lab; the file of a module that says `lab = Lab(...)` was wanted", hint)
    return told[1] or _lab(path.resolve()).name


def find(name: str) -> Lab:
    """The lab called `name`; UsageError lists the ones there are."""
    return _lab(_place_of(name))


def lesson(name: str) -> str:
    """What the lab's module says of itself; UsageError as in `find`."""
    return (_load(_place_of(name)).__doc__ or "").strip()


def files(name: str) -> tuple[Path, ...]:
    """The files a lab's code is in: its module, or each module of its package; UsageError as in `find`."""
    home = _place_of(name)
    return tuple(sorted(home.rglob("*.py"))) if home.is_dir() else (home,)


def elsewhere(name: str) -> Path | None:
    """Where a lab lies that is none of ours; None for one of ours."""
    place = _index(os.environ.get(VARIABLE, "")).get(name)
    return None if place is None or place.is_relative_to(places.of("labs")) else place


def _place_of(name: str) -> Path:
    known = _index(os.environ.get(VARIABLE, ""))
    if name not in known:
        raise UsageError(
            f"there is no lab called {name!r}; there are: {', '.join(names())}",
            f"See `invoke catalog`.{did_you_mean(name, names())}",
        )
    return known[name]


def _lab(path: Path) -> Lab:
    """The lab of a module or package; of a package, the one of the module that defines it where it does not itself."""
    module, told = _load(path), _definition(path)
    found = getattr(module, "lab", None)
    if found is None and told and path.is_dir():
        found = getattr(importlib.import_module(f"{module.__name__}.{told[0].stem}"), "lab", None)
    if not isinstance(found, Lab):
        raise UsageError(f"{path} defines no lab: `lab` is {found!r}, and a fourtuple.kit.lab.Lab was wanted")
    return found


@cache
def _index(more: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    places_ = [places.of("labs"), *_entry_points(), *map(Path, filter(None, more.split(os.pathsep)))]
    for place in places_:
        for it in _defined(place):
            if found.setdefault(it.name, it.path) != it.path:
                both = f"{found[it.name]} and {it.path}"
                raise UsageError(f"two labs are called {it.name}: {both}", "Rename one of them.")
    if not found:
        raise UsageError(f"no lab was found in {', '.join(map(str, places_))}")
    return found


def _entry_points() -> list[Path]:
    """The directories of the packages that other distributions name in the group."""
    found = []
    for it in metadata.entry_points(group=GROUP):
        what = f"the entry point {it.name} = {it.value} of {GROUP}"
        try:
            spec = importlib.util.find_spec(it.module)
        except Exception as error:  # noqa: BLE001 -- its parent package is imported, and may raise anything
            raise UsageError(f"{what} cannot be followed: {type(error).__name__}: {error}") from None
        if spec is None or not (spec.submodule_search_locations or spec.origin):
            raise UsageError(f"{what} names no module that is installed")
        found += [Path(place) for place in spec.submodule_search_locations or [str(spec.origin)]]
    return found


def _defined(place: Path) -> Iterator[_Defined]:
    """The labs in a directory and its chapters, or of one file."""
    if (told := _definition(place)) is not None:
        yield _Defined(told[1] or _lab(place.resolve()).name, place.resolve())
    elif place.is_dir() and not (place / "__init__.py").exists():
        for inside in sorted(place.iterdir()):
            if not inside.name.startswith((".", "_")):
                yield from _defined(inside)


def _definition(path: Path) -> tuple[Path, str] | None:
    """The file of a module or package that defines a lab, and how that is called: empty where only running it can tell.
    None where it defines none."""
    files = [path] if path.suffix == ".py" and path.is_file() else []
    if (path / "__init__.py").is_file():
        files = sorted(path.glob("*.py"))
    for file in files:
        if told := _DEFINES.search(file.read_text(errors="replace")):
            return file, told[1] or ""
    return None


@cache
def _load(path: Path) -> ModuleType:
    """Run a module or package; UsageError with file and line where that fails."""
    package = path.is_dir()
    name = f"fourtuple_lab_{path.stem}_{crc32(str(path).encode()):08x}"
    file = path / "__init__.py" if package else path
    inside = [str(path)] if package else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=inside)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there while it runs
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever a lab of anybody raises, it is to be said
        for loaded in [it for it in sys.modules if it == name or it.startswith(f"{name}.")]:
            del sys.modules[loaded]
        raise UsageError(f"the lab {_place(error, file)} cannot be loaded: {type(error).__name__}: {error}") from None
    return module


def _place(error: BaseException, file: Path) -> str:
    """File and line of the lab's own code that an error came from."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno},"
    own = [it for it in traceback.extract_tb(error.__traceback__) if Path(it.filename).is_relative_to(file.parent)]
    return f"{own[-1].filename}, line {own[-1].lineno}," if own else str(file)
