"""Telling a person what goes on: what is fetched, installed or built is announced; the rest is a passing word."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Somebody who listens."""

    def announce(self, text: str) -> None:
        """A line that stays: something is done to this machine or its engine."""
        ...

    def note(self, text: str) -> None:
        """The latest word of something that takes a while; the next one replaces it."""
        ...


class Silent:
    """Nobody listens."""

    def announce(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...
