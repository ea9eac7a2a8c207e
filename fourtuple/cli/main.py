"""The command `fourtuple`: the tasks of `invoke`, without a tasks.py, in any directory."""

from __future__ import annotations

from importlib.metadata import version

from invoke import Program

from . import namespace


def main() -> None:
    """Run the command line of this process."""
    Program(version=version("fourtuple"), namespace=namespace, name="fourtuple", binary="fourtuple").run()
