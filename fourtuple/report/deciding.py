"""Which runs decide a saying: every lab it names or whose claims answer it, with each NAT that lab is given.

What a claim answers it says by the saying's id, in its own code; so the code of a lab tells which sayings it answers.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache

from ..kit import catalog
from .court import Saying

Pair = tuple[str, str]  # a lab and a NAT


@cache
def words(lab: str) -> frozenset[str]:
    """Every string that stands by itself in the code of a lab."""
    trees = (ast.parse(file.read_text()) for file in catalog.files(lab))
    return frozenset(
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def answers(lab: str, saying: Saying) -> bool:
    """Do claims of this lab answer the saying?"""
    return saying.id in words(lab)


def runs(saying: Saying) -> frozenset[Pair]:
    """Every run that is needed to decide a saying; none where no lab does."""
    labs = [name for name in catalog.names() if name == saying.lab or answers(name, saying)]
    return frozenset((name, nat) for name in labs for nat in catalog.find(name).nats)


def needed(sayings: Iterable[Saying]) -> list[Pair]:
    """Every run that is needed to decide these sayings, sorted."""
    return sorted(frozenset().union(*map(runs, sayings)))
