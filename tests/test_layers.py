"""Imports run one way, and no room knows more than it should.

labs -> kit, evidence, net, or what `fourtuple` offers; cli -> all; stage -> report, kit, evidence, net; report -> kit,
evidence, net; kit -> evidence, net; evidence -> net; agents -> net. The library never imports a lab.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import CHECKOUT

PURE = {"net", "evidence", "kit", "report"}
SHARED = {"errors", "places", "program"}  # modules beside the rooms: sentences, where things lie, how we were started
ALLOWED = {
    "net": {"net"},
    "agents": {"agents", "net"},
    "evidence": {"evidence", "net", "errors"},
    "kit": {"kit", "evidence", "net", *SHARED},
    "report": {"report", "kit", "evidence", "net", *SHARED},
    "stage": {"stage", "report", "kit", "evidence", "net", *SHARED},
    "cli": {"cli", "stage", "report", "kit", "evidence", "net", *SHARED},
    "labs": {"kit", "evidence", "net", "errors"},
    "errors": set(),
    "places": {"errors"},
    "program": set(),
    "__main__": {"cli"},
    "__init__": {"report", "kit", "evidence", "net", "errors"},
}
LABS, LIBRARY = CHECKOUT / "labs", CHECKOUT / "fourtuple"
FILES = sorted(path for room in (LABS, LIBRARY) for path in room.rglob("*.py"))


def room(path: Path) -> str:
    """Which room a file is in; a module beside the rooms is one of its own."""
    inside = path.relative_to(CHECKOUT)
    return "labs" if inside.parts[0] == "labs" else inside.with_suffix("").parts[1]


def name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def imports(path: Path) -> set[str]:
    """Every module a file imports, absolute."""
    package = list(path.relative_to(CHECKOUT).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{stem}.{alias.name}" for alias in node.names} if stem == "fourtuple" else {stem}
    return found


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_imports_only_what_its_room_may(path):
    own = {it.split(".")[1] for it in imports(path) if it.startswith("fourtuple.")}
    public = {it for it in own if not (LIBRARY / it).is_dir() and not (LIBRARY / f"{it}.py").is_file()}
    assert not public or room(path) in ("labs", "cli"), "only who stands outside uses the public names"
    assert own - public <= ALLOWED[room(path)]


@pytest.mark.parametrize("path", [it for it in FILES if room(it) != "labs"], ids=name)
def test_the_library_knows_no_lab(path):
    assert not [it for it in imports(path) if it.split(".")[0] == "labs"]


@pytest.mark.parametrize("path", [it for it in FILES if room(it) == "labs"], ids=name)
def test_a_lab_imports_no_other_lab(path):
    """It is loaded by path, as anybody's: only inside a package of its own does one module import another."""
    package = ".".join(path.relative_to(CHECKOUT).parts[:-1])
    inside = package if (path.parent / "__init__.py").exists() else None
    assert {it for it in imports(path) if it.split(".")[0] == "labs"} <= {inside} | {
        f"{inside}.{other.stem}" for other in path.parent.glob("*.py")
    }


@pytest.mark.parametrize("path", [it for it in FILES if room(it) in ("net", "agents")], ids=name)
def test_what_containers_import_is_in_the_standard_library(path):
    foreign = {it.split(".")[0] for it in imports(path)} - sys.stdlib_module_names - {"fourtuple"}
    assert foreign <= ({"nacl"} if path.name == "keys.py" else set())


@pytest.mark.parametrize("path", [it for it in FILES if room(it) in PURE | {"labs"}], ids=name)
def test_the_judging_side_knows_no_engine_no_clock_and_no_network(path):
    banned = {"docker", "socket", "subprocess", "time", "requests", "invoke"}
    assert not {it.split(".")[0] for it in imports(path)} & banned


def test_only_one_file_reads_with_scapy():
    users = {name(path) for path in FILES if any(it.startswith("scapy") for it in imports(path))}
    assert users == {"fourtuple/evidence/capture.py"}


def test_expectations_are_compared_in_one_place_only():
    """Nothing that claims or judges sees what a saying is expected to be ruled."""
    users = {name(path) for path in FILES if "expectations" in path.read_text() and path.name != "expectations.py"}
    assert users == {"fourtuple/cli/questions.py"}


def test_the_rooms_and_what_they_import_are_as_contributing_says():
    told = (CHECKOUT / "CONTRIBUTING.md").read_text().partition("## Where things go")[2].partition("\n## ")[0]
    tree = set(re.findall(r"^ +(\w+)/ ", told, re.MULTILINE))
    shown = [*(path.parent for path in LIBRARY.glob("*/__init__.py")), *(path for path in LABS.glob("[a-z]*/"))]
    assert {path.name for path in shown if path.is_dir()} <= tree
    arrows = dict(re.findall(r"^ +(\w+) +-> ([\w, ]*)", told, re.MULTILINE))
    rooms = {*ALLOWED} - SHARED - {"__main__", "__init__"}
    assert {it: {word for word in re.split(r"\W+", arrows[it]) if word in rooms} for it in arrows} == {
        it: ALLOWED[it] - SHARED - {it} for it in rooms
    }


def test_importing_the_package_imports_nothing_else():
    new = "sorted(set(sys.modules) - before - {'__future__'})"
    code = f"import sys; before = set(sys.modules); import fourtuple, fourtuple.net; print({new})"
    argv = [sys.executable, "-S", "-c", code]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['fourtuple', 'fourtuple.net']"


def test_what_the_package_offers_is_there_and_its_examples_are_true():
    import doctest

    import fourtuple

    assert all(getattr(fourtuple, it) is not None for it in fourtuple.__all__)
    assert doctest.testmod(fourtuple).failed == 0
    assert doctest.testmod(fourtuple).attempted >= 5
    with pytest.raises(AttributeError, match="fourtuple offers no 'nonsense'; it offers Check, "):
        _ = fourtuple.nonsense


def test_nothing_sleeps_and_nothing_goes_through_a_shell():
    for path in [*FILES, CHECKOUT / "tasks.py"]:
        text = path.read_text()
        assert ".sleep(" not in text, path
        assert "shell=" + "True" not in text, path
