"""What invoke's parser makes of a command line, put right where it would mislead: its own sentences name what is meant.

By replacing methods of its classes: `invoke` has made its program and begun to parse when it loads our tasks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from invoke import Collection, Exit, ParseError, Program
from invoke.parser.parser import ParseMachine

from .. import program
from ..kit.nearest import did_you_mean
from .command import reader_left

_WRONG = 2  # the exit code, like that of every other word that is off
_KINDS = {int: "a whole number", float: "a number"}


def put_right() -> None:
    """Every error of the parser is a sentence with exit code 2, and every task takes --help and two dashes."""
    _two_dashes()
    _handle_plainly()
    parse_tasks = Program.parse_tasks

    def parsing(self: Program) -> None:
        try:
            parse_tasks(self)
        except ParseError as error:
            raise Exit(program.as_typed(str(error)), _WRONG) from None
        wanted = self.args.help.value
        if wanted and wanted is not True and wanted not in self.parser.contexts:
            raise Exit(program.as_typed(_no_task(wanted, self.parser.contexts)), _WRONG)

    Program.parse_tasks = parsing  # type: ignore[method-assign]
    parse_cleanup = Program.parse_cleanup

    def showing(self: Program) -> None:
        """It prints help and lists, which somebody may stop reading."""
        try:
            try:
                parse_cleanup(self)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            reader_left()

    Program.parse_cleanup = showing  # type: ignore[method-assign]


def _two_dashes() -> None:
    """Let options of one letter be typed with two dashes as well, like the others; invoke knows them with one only."""
    contexts = Collection.to_contexts

    def to_contexts(self: Collection, ignore_unknown_help: bool | None = None) -> Any:
        known = contexts(self, ignore_unknown_help)
        for context in known:
            for letter in [name for name in context.args if len(name) == 1]:
                context.flags[f"--{letter}"] = context.flags[f"-{letter}"]
        return known

    Collection.to_contexts = to_contexts  # type: ignore[method-assign]


def _handle_plainly() -> None:
    """Look at each word before invoke does: it takes an unknown option for the name of a lab."""
    handle, complete_context, see_value = ParseMachine.handle, ParseMachine.complete_context, ParseMachine.see_value

    def plainly(self: Any, token: str) -> None:
        if not self.ignore_unknown and not self.waiting_for_flag_value:
            if token in ("--help", "-h") and self.context.name:
                self.initial.flags[token].value = self.context.name
                return
            _refuse(self, token)
        handle(self, token)

    def complete(self: Any) -> None:
        """A task whose help is wanted needs no arguments."""
        if self.initial.flags["--help"].value and self.context.name:
            self.result.append(self.context)
            return
        missing = [f"`{it.name}`" for it in self.context.missing_positional_args]
        if missing:
            self.error(f"`invoke {self.context.name}` was given no {' and no '.join(missing)}; see `{_help(self)}`")
        complete_context(self)

    def see(self: Any, value: Any) -> None:
        try:
            see_value(self, value)
        except ValueError:
            self.error(f"--{self.flag.name} wants {_KINDS.get(self.flag.kind, 'a value')}, and {value!r} is none")

    def complete_flag(self: Any) -> None:
        flag = self.flag
        if flag and flag.takes_value and flag.raw_value is None:
            if not flag.optional:
                self.error(f"--{flag.name} was given no value; see `{_help(self)}`")
            flag.set_value(True, cast=False)

    ParseMachine.handle = plainly  # type: ignore[method-assign]
    ParseMachine.complete_context = complete  # type: ignore[method-assign]
    ParseMachine.complete_flag = complete_flag  # type: ignore[method-assign]
    ParseMachine.see_value = see  # type: ignore[method-assign]


def _refuse(self: Any, word: str) -> None:
    """Say what is wrong with a word that is no option and no task where one of them was wanted."""
    flags = {**self.context.flags, **self.initial.flags, **self.context.inverse_flags}
    if word.startswith("-"):
        if word not in flags:
            task = self.context.name or ""
            self.error(
                f"`{f'invoke {task}'.strip()}` has no option {word}.{did_you_mean(word, flags)} See `{_help(self)}`."
            )
        flag = self.context.flags.get(word)
        if flag and flag.takes_value and flag.raw_value is not None and flag.kind is not list:
            self.error(f"{word} was given twice; it takes one value")
    elif not self.context.missing_positional_args and word not in self.contexts:
        self.error(_no_task(word, self.contexts))


def _no_task(word: str, known: Iterable[str]) -> str:
    return f"there is no task called {word!r}.{did_you_mean(word, known)} See `invoke --list`."


def _help(self: Any) -> str:
    return f"invoke --help {self.context.name or ''}".strip()
