"""A JSON document that somebody else wrote: strict where it is parsed, and asked for its values by type.

A parser accepts what a program stumbles over later: a list where text is wanted, a number that is none, a key that
stands there twice, a thousand lists in one another. All of that is refused here, so that nothing behind
has to expect it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DEEPEST = 32  # lists and objects in one another; evidence has 8, Python's own functions give up at some hundreds
DIGITS = 20  # of a whole number: 2**64, the largest a kernel says, has that many
LONGEST = 200  # characters of a name; the longest here, a behaviour with everything in it, has some 150
_SHOWN = 40  # characters of a wrong value that are shown


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a document, and where it stands. Each accessor gives what it is called, or raises ValueError."""

    raw: Any
    where: str

    def __getitem__(self, key: str) -> Value:
        """The value under a key of this object."""
        found = self._wanted("an object", dict)
        if key not in found:
            raise ValueError(f"{self.where} has no {key!r}")
        return Value(found[key], f"{self.where}: {key}")

    def get(self, key: str) -> Value:
        """The value under a key of this object, or null."""
        return Value(self._wanted("an object", dict).get(key), f"{self.where}: {key}")

    def items(self) -> Iterator[tuple[str, Value]]:
        """The keys and values of this object; null counts as an empty one. Keys are names, as in `name`."""
        for key, value in ({} if self.raw is None else self._wanted("an object", dict)).items():
            yield Value(key, f"a key of {self.where}").name(), Value(value, f"{self.where}: {key}")

    def list(self) -> tuple[Value, ...]:
        """The values of this list."""
        return tuple(Value(it, f"{self.where}, {number}") for number, it in enumerate(self._wanted("a list", list), 1))

    def text(self) -> str:
        """Any text."""
        return str(self._wanted("text", str))

    def name(self) -> str:
        """A short text on one line, as names, versions and addresses are."""
        text = self.text()
        if len(text) > LONGEST or not text.isprintable():
            raise ValueError(f"{self.where}: a name was wanted, found {_kind(text)}")
        return text

    def number(self) -> int:
        """A whole number."""
        if isinstance(self.raw, bool):
            raise ValueError(f"{self.where}: a whole number was wanted, found {self.shown}")
        return int(self._wanted("a whole number", int))

    def real(self) -> float:
        """A number, whole or not."""
        if isinstance(self.raw, bool):
            raise ValueError(f"{self.where}: a number was wanted, found {self.shown}")
        return float(self._wanted("a number", (int, float)))

    @property
    def shown(self) -> str:
        """The value in words, for who wrote another one there than was wanted."""
        return _kind(self.raw)

    def _wanted(self, what: str, kind: type | tuple[type, ...]) -> Any:
        if not isinstance(self.raw, kind):
            raise ValueError(f"{self.where}: {what} was wanted, found {self.shown}")
        return self.raw


def read(text: str, where: str) -> Value:
    """Parse a document, called `where` in what is said of it. ValueError, one line, where it is not strict JSON."""
    try:
        raw = json.loads(text, object_pairs_hook=_object, parse_int=_whole, parse_float=_real, parse_constant=_real)
    except RecursionError:
        raise ValueError(f"{where} is nested deeper than {DEEPEST} lists and objects") from None
    except ValueError as error:
        raise ValueError(f"{where} is not JSON: {error}") from None
    if text.count("[") + text.count("{") > DEEPEST and _deeper(raw, DEEPEST):
        raise ValueError(f"{where} is nested deeper than {DEEPEST} lists and objects")
    if "\\u" in text and not _is_text(raw):
        raise ValueError(f"{where} holds half of a surrogate pair, which is no character")
    return Value(raw, where)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:_SHOWN]!r} stands there twice")
    return found


def _whole(digits: str) -> int:
    if len(digits.removeprefix("-")) > DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits, {DIGITS} at most were wanted")
    return int(digits)


def _real(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:_SHOWN]} is no number")
    return number


def _deeper(value: Any, left: int) -> bool:
    """Has it more lists and objects in one another than are left?"""
    if not isinstance(value, list | dict):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return left == 0 or any(_deeper(part, left - 1) for part in parts)


def _is_text(value: Any) -> bool:
    """Can all its text be written down?"""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool() | int() | float():
            return f"{value!r}".lower()
        case str():
            return f"{value[:_SHOWN]!r}" + ("..." if len(value) > _SHOWN else "")
        case list():
            return "a list"
        case _:
            return "an object"
