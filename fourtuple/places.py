"""Where what comes with fourtuple lies (labs, compose files, the image): in a checkout, and in an installation."""

from __future__ import annotations

from pathlib import Path

from .errors import UsageError

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_data"  # where a wheel puts what a checkout has beside the package


def of(name: str) -> Path:
    """The directory `labs`, `compose` or `images`."""
    return (_INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent) / name


def checkout() -> Path:
    """The checkout this is; UsageError where it is an installation."""
    if _INSTALLED.is_dir():
        raise UsageError("this is done in a checkout of fourtuple, and what runs here was installed from a wheel")
    return _PACKAGE.parent
