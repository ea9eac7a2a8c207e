"""Which commands the documentation names: in blocks of code, in the remarks behind them, and in the running text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .conftest import CHECKOUT

FILES = (CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").glob("*.md")))
PROGRAM = re.compile(r"(?:invoke|fourtuple|python3?|docker|pip|apt|git|nft|conntrack|wireshark) \S")
TASK = re.compile(r"nat\.\w+")  # named without `invoke` where another one stands before
FLAG = re.compile(r"(?<![\w-])--[a-z]+")


def named(file: Path) -> list[str]:
    """Every command a Markdown file names; each option that is mentioned beside one is a command of its own."""
    return [*dict.fromkeys(_commands(file.read_text()))]


def _commands(text: str) -> Iterator[str]:
    fenced = False
    running = []
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield from _of_block(line.strip())
        elif line.startswith("|"):
            yield from _of_row(line)
        else:
            running.append(line)
    yield from _inline(" ".join(running))


def _of_block(line: str) -> Iterator[str]:
    """`invoke capture wan   # packets as text; --file x.pcap`: the command, and the same with the option."""
    command, _, remark = (part.strip() for part in re.split(r"(\s#\s|$)", line, maxsplit=1))
    if PROGRAM.match(command):
        yield command
        yield from (f"{command} {flag}" for flag in FLAG.findall(remark))
    yield from (part for part in re.split(r":\s+", remark) if PROGRAM.match(part))
    yield from _inline(remark)


def _of_row(row: str) -> Iterator[str]:
    """A row of a table: its commands, and the first of them with each option that the row mentions."""
    commands = list(_inline(row))
    yield from commands
    for code in re.findall(r"`([^`]+)`", row):
        if commands and FLAG.match(code):
            yield f"{commands[0]} {FLAG.findall(code)[0]}"


def _inline(text: str) -> Iterator[str]:
    for code in re.findall(r"`([^`]+)`", text):
        if PROGRAM.match(code):
            yield code
        elif TASK.fullmatch(code):
            yield f"invoke {code}"
