"""What somebody probably meant who typed a word that does not exist."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence with the known word that is nearest, or nothing where none is near; it begins with a space."""
    from difflib import get_close_matches

    bare = {name.lstrip("-"): name for name in sorted(known)}  # the dashes of options make all of them alike
    near = get_close_matches(word.lstrip("-"), bare, 1)
    return f" Did you mean {bare[near[0]]!r}?" if near else ""
