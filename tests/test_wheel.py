"""What anybody can install: one wheel, in an environment of its own, far from any checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .conftest import CHECKOUT, RECORDINGS

NAMES = ("README.md", "LICENSE", "pyproject.toml", "fourtuple", "labs", "compose", "images")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy, so that nothing is left in the checkout."""
    copy, place = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in NAMES:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", place, copy], check=True)
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory) -> Path:
    """An environment with nothing but the wheel and what it needs."""
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    subprocess.run([home / "bin" / "python", "-m", "pip", "install", "-q", wheel], check=True)
    return home


def run(argv: list[str | Path], where: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command somewhere else, as somebody would who knows of no checkout."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        argv, cwd=where, env=environment | variables, capture_output=True, text=True, check=False, timeout=180,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(params=["installed", "checkout"])
def command(request, tmp_path):
    """`fourtuple WORDS`: as it was installed, and from the checkout."""
    if request.param == "installed":
        program: list[str | Path] = [request.getfixturevalue("installed") / "bin" / "fourtuple"]
        return lambda *words: run([*program, *words], tmp_path)
    return lambda *words: run([sys.executable, "-m", "fourtuple", *words], tmp_path, PYTHONPATH=str(CHECKOUT))


def test_it_holds_what_a_lab_needs_and_no_tests(wheel):
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
    for wanted in ("fourtuple/py.typed", "fourtuple/_data/labs/sayings.json", "fourtuple/_data/labs/nat/nat.py",
                   "fourtuple/_data/compose/base.yml", "fourtuple/_data/images/Dockerfile"):  # fmt: skip
        assert wanted in names
    rooms = {name.split("/")[0] for name in names}
    assert {room for room in rooms if not room.endswith(".dist-info")} == {"fourtuple"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_what_tests_need_is_not_installed(installed):
    code = "from importlib import metadata; print(*(it.name.lower() for it in metadata.distributions()))"
    names = set(run([installed / "bin" / "python", "-c", code], installed).stdout.split())
    assert "fourtuple" in names
    assert not {"pytest", "hypothesis", "ruff", "mypy"} & names


@pytest.mark.parametrize(("task", "says"), [("test", "wanted pytest and hypothesis"), ("lint", "wanted ruff and mypy")])
def test_without_what_a_task_of_the_checkout_needs_there_is_a_sentence(installed, task, says):
    done = run([installed / "bin" / "python", "-m", "invoke", task], CHECKOUT)
    extra = {"test": "test", "lint": "dev"}[task]
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{says}, not installed here: do `pip install -e '.[{extra}]'`\n"


def test_what_is_done_in_a_checkout_says_so_elsewhere(installed, tmp_path):
    done = run([installed / "bin" / "fourtuple", "test"], tmp_path)
    assert done.returncode == 2
    assert "this is done in a checkout of fourtuple" in done.stderr


def test_it_lists_what_it_can_do(command):
    done = command("--list")
    assert done.returncode == 0, done.stderr
    assert "verdicts" in done.stdout


def test_it_knows_the_labs(command):
    done = command("catalog", "--json")
    assert done.returncode == 0, done.stderr
    assert {"nat", "audit", "same-lan"} <= {it["name"] for it in json.loads(done.stdout)}


def test_it_judges_a_run(command):
    done = command("judge", str(RECORDINGS / "nat-home"))
    assert done.returncode == 0, done.stderr
    assert "10 claims: 10 hold" in done.stdout


def test_hints_name_it_as_it_was_started(command):
    assert f"\n  fourtuple judge {RECORDINGS / 'nat-home'}\n" in command("judge", str(RECORDINGS / "nat-home")).stdout
    assert "See `fourtuple catalog`." in command("lab", "nta").stderr
    assert command("lab").stderr == "`fourtuple lab` was given no `name`; see `fourtuple --help lab`\n"
    assert not [task for task in ("lab", "up", "bench", "audit") if "invoke" in command("--help", task).stdout]


def test_it_rules_on_sayings(command):
    done = command("verdicts", "--json", "--run", str(RECORDINGS / "nat-home"))
    assert "C70" in done.stdout, done.stderr
    assert done.returncode == 2, "one run of many decides no testable saying alone"


@pytest.mark.live
@pytest.mark.usefixtures("image")
def test_it_runs_a_lab(command):
    done = command("lab", "nat", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["summary"] == "10 claims: 10 hold"


@pytest.mark.live
@pytest.mark.usefixtures("image")
@pytest.mark.parametrize(("word", "says"), [("setup", "✓ Docker Engine"), ("doctor", "✓ a frame through a router")])
def test_it_makes_a_machine_ready(command, word, says):
    done = command(word)
    assert done.returncode == 0, done.stdout + done.stderr
    assert says in done.stdout


@pytest.mark.live
@pytest.mark.usefixtures("image")
def test_a_strangers_lab_runs_from_anywhere(command, tmp_path):
    shutil.copy(CHECKOUT / "tests" / "strangers" / "hello.py", tmp_path / "hello.py")
    for words in (("lab", "./hello.py"), ("lab", "hello", "--labs", ".")):
        done = command(*words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout)
        assert (told["lab"], told["summary"]) == ("hello", "2 claims: 2 hold")
    judged = command("judge", told["run"], "--labs", ".")
    assert judged.returncode == 0, judged.stderr
    assert f"  fourtuple judge {told['run']} --labs {tmp_path / 'hello.py'}\n" in judged.stdout


def test_the_lab_of_a_run_that_is_not_known_is_said(command, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(RECORDINGS / "nat-home", copy)
    meta = json.loads((copy / "meta.json").read_text())
    (copy / "meta.json").write_text(json.dumps(meta | {"lab": "a-strangers"}))
    done = command("judge", str(copy))
    assert done.returncode == 2
    assert "there is no lab called 'a-strangers'" in done.stderr
