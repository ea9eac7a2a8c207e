"""Commands in sentences have the name the program was started by."""

import sys

import pytest

from fourtuple import program


@pytest.mark.parametrize(
    ("started", "name"),
    [
        ("/x/.venv/bin/fourtuple", "fourtuple"),
        ("/x/site-packages/fourtuple/__main__.py", "fourtuple"),
        ("/x/fourtuple/.venv/bin/invoke", "invoke"),
        ("/x/site-packages/invoke/__main__.py", "invoke"),
        ("", "invoke"),
    ],
)
def test_commands_are_typed_as_the_program_was_started(monkeypatch, started, name):
    monkeypatch.setattr(sys, "argv", [started])
    assert program.name() == name
    for written in ("invoke", "fourtuple"):
        assert (
            program.as_typed(f"`{written} lab nat` failed; see `{written}`") == f"`{name} lab nat` failed; see `{name}`"
        )


def test_other_words_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/bin/fourtuple"])
    for text in ("those that invoke it", "`fourtuple/node`", "`invoked`", "`pip install invoke`"):
        assert program.as_typed(text) == text
