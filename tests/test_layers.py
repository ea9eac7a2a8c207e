"""Imports run one way: lessons -> kit -> net <- agents, stage -> kit and net, tasks.py -> stage and kit."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import CHECKOUT

LABS = CHECKOUT / "labs"
ALLOWED = {
    "net": {"net"},
    "agents": {"agents", "net"},
    "kit": {"kit", "net"},
    "stage": {"stage", "kit", "net"},
    "lesson": {"kit", "net"},
}
FILES = sorted(path for path in LABS.rglob("*.py"))


def layer(path: Path) -> str:
    inside = path.relative_to(LABS)
    return inside.parts[0] if inside.parts[0] in ALLOWED else "lesson"


def imports(path: Path) -> set[str]:
    """Every module a file imports, absolute."""
    package = ["labs", *path.relative_to(LABS).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found |= {stem} if node.module else {f"{stem}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(LABS)))
def test_a_file_imports_only_what_its_layer_may(path):
    own = {name.split(".")[1] for name in imports(path) if name.startswith("labs.")}
    assert own - {path.relative_to(LABS).parts[0]} <= ALLOWED[layer(path)]  # a lesson may be a package of its own


@pytest.mark.parametrize("path", [p for p in FILES if layer(p) in ("net", "agents")], ids=lambda p: p.name)
def test_what_containers_import_is_in_the_standard_library(path):
    foreign = {name.split(".")[0] for name in imports(path)} - sys.stdlib_module_names - {"labs"}
    assert foreign <= ({"nacl"} if path.name == "keys.py" else set())


@pytest.mark.parametrize("path", [p for p in FILES if layer(p) in ("kit", "lesson")], ids=lambda p: p.name)
def test_the_judging_side_knows_no_engine_no_clock_and_no_network(path):
    banned = {"docker", "socket", "subprocess", "time", "requests", "invoke"}
    assert not {name.split(".")[0] for name in imports(path)} & banned


def test_only_one_file_reads_with_scapy():
    users = {path.name for path in FILES if any(name.startswith("scapy") for name in imports(path))}
    assert users == {"capture.py"}


def test_importing_the_package_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import labs, labs.net; print(set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'labs', 'labs.net'}" or done.stdout.strip() == "{'labs.net', 'labs'}"


def test_nothing_sleeps_and_nothing_goes_through_a_shell():
    for path in [*FILES, CHECKOUT / "tasks.py"]:
        text = path.read_text()
        assert ".sleep(" not in text, path
        assert "shell=" + "True" not in text, path


def test_nothing_that_claims_or_judges_knows_what_is_expected():
    assert {path.name for path in FILES if "expectations" in path.read_text()} <= {"expectations.py"}
