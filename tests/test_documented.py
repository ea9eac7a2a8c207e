"""Every command that the documentation names stands in a table, which says what types it, or why nothing does."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

import pytest

from tasks import namespace

from . import documentation, documented
from .conftest import CHECKOUT
from .documented import ELSEWHERE, FIRST, LONG, SHORT, TABLE, Exempt, TypedBy

ROWS = {row.command: row for row in TABLE}


@pytest.mark.parametrize("file", documentation.FILES, ids=lambda path: path.name)
def test_every_documented_command_stands_in_the_table(file):
    assert not [command for command in documentation.named(file) if command not in ROWS]


def test_every_command_of_the_table_is_documented_and_stands_there_once():
    named = {command for file in documentation.FILES for command in documentation.named(file)}
    assert set(ROWS) == named
    assert max(Counter(row.command for row in TABLE).values()) == 1


@pytest.mark.parametrize("row", SHORT, ids=lambda row: row.line)
def test_a_short_command_ends_as_documented(row):
    ended = documented.run(row, CHECKOUT, **documented.in_environment(Path(sys.executable).parent))
    assert ended.as_documented, ended.printed


@pytest.mark.parametrize("row", [row for row in ELSEWHERE if isinstance(row, TypedBy)], ids=lambda row: row.command)
def test_what_is_said_to_type_a_command_does(row):
    """The test exists and types the command, or that task; a script types each part of the line."""
    file, _, name = row.test.partition("::")
    text = (CHECKOUT / file).read_text()
    if not name:
        assert [part for part in row.command.split(" && ") if part not in text] == []
        return
    (test,) = (it for it in ast.walk(ast.parse(text)) if isinstance(it, ast.FunctionDef) and it.name == name)
    typed = {it.value for it in ast.walk(test) if isinstance(it, ast.Constant) and isinstance(it.value, str)}
    program, task, *_ = row.command.split()
    assert any(row.command in it for it in typed) or (program in ("invoke", "fourtuple") and task in typed)


def test_what_is_exempt_has_a_reason():
    assert all(row.reason for row in ELSEWHERE if isinstance(row, Exempt))


def test_ci_types_the_long_ones_after_the_tests():
    lines = (CHECKOUT / ".ci" / "run").read_text().splitlines()
    assert lines.index(".ci/documented") > lines.index("invoke setup test")
    assert "python -m tests.documented" in (CHECKOUT / ".ci" / "documented").read_text()
    assert all(row.line for row in (*FIRST, *LONG))


def test_a_command_is_found_wherever_a_document_names_it(tmp_path):
    file = tmp_path / "page.md"
    file.write_text(
        "Try `invoke one` or\n`invoke two`, not `--three`.\n\n"
        "    invoke four   # then, in alice:   python3 -m five; --six\n\n"
        "```\ndocker seven\noutput\n```\n\n| `invoke eight`, `nat.nine` | `--ten`: more |\n"
    )
    assert sorted(documentation.named(file)) == sorted([
        "invoke one", "invoke two", "invoke four", "invoke four --six", "python3 -m five; --six", "docker seven",
        "invoke eight", "invoke nat.nine", "invoke eight --ten",
    ])  # fmt: skip


def test_a_command_that_ends_otherwise_is_found():
    row = documented.Typed("echo so; exit CODE", {"CODE": "3"})
    ended = documented.run(row, CHECKOUT)
    assert not ended.as_documented
    assert "ended with 3, documented is 0: echo so; exit 3" in str(ended)
    assert documented.run(documented.Typed("exit 3", code=3), CHECKOUT).as_documented


def test_every_option_that_is_documented_is_one_of_a_task():
    tasks = [namespace[name] for name in namespace.task_names]
    known = {f"--{name}" for task in tasks for argument in task.get_arguments() for name in argument.names}
    others = {
        flag
        for row in TABLE
        if row.command.startswith(("git ", "pip "))
        for flag in documentation.FLAG.findall(row.command)
    }
    named = {flag for file in documentation.FILES for flag in documentation.FLAG.findall(file.read_text())}
    assert named - others <= known


def test_the_lab_in_the_readme_is_the_one_that_is_played():
    told = (CHECKOUT / "README.md").read_text().partition("## A lab of your own")[2].partition("\n`hosts` is")[0]
    lines = [line.strip() for line in told.splitlines() if line.startswith("    ")]
    played = (CHECKOUT / "tests" / "strangers" / "hello.py").read_text()
    assert lines[0].startswith("lab = Lab(")
    assert [line for line in lines if line not in played] == []
