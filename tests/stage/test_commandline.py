"""What the command line does not understand is answered with a sentence that names it, and exit code 2."""

import subprocess
import sys

import pytest

from ..conftest import CHECKOUT, RECORDINGS, run_invoke

NOWHERE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
WRONG = [
    ("lab --bogus nat", "`invoke lab` has no option --bogus. See `invoke --help lab`."),
    ("lab nat --nta none", "`invoke lab` has no option --nta. Did you mean '--nat'? See `invoke --help lab`."),
    ("catalog --jsn", "`invoke catalog` has no option --jsn. Did you mean '--json'? See `invoke --help catalog`."),
    ("catalog -J", "`invoke catalog` has no option -J. See `invoke --help catalog`."),
    ("--bogus", "`invoke` has no option --bogus. See `invoke --help`."),
    ("catalogue", "there is no task called 'catalogue'. Did you mean 'catalog'? See `invoke --list`."),
    ("nat.lsit", "there is no task called 'nat.lsit'. Did you mean 'nat.list'? See `invoke --list`."),
    ("catalog xyzzy", "there is no task called 'xyzzy'. See `invoke --list`."),
    ("--help catalogue", "there is no task called 'catalogue'. Did you mean 'catalog'? See `invoke --list`."),
    ("lab", "`invoke lab` was given no `name`; see `invoke --help lab`"),
    ("bind", "`invoke bind` was given no `first` and no `second`; see `invoke --help bind`"),
    ("lab nat --nat", "--nat was given no value; see `invoke --help lab`"),
    ("lab nat --nat none --nat home", "--nat was given twice; it takes one value"),
    ("bench --runs many", "--runs wants a whole number, and 'many' is none"),
    ("audit --patience long", "--patience wants a number, and 'long' is none"),
]


@pytest.mark.parametrize(("words", "says"), WRONG, ids=[words for words, _ in WRONG])
def test_what_is_not_understood_is_named(words, says):
    done = run_invoke(*words.split(), **NOWHERE)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{says}\n")


@pytest.mark.parametrize("words", ["lab --help", "lab nat --help", "lab -h", "lab nat --json -h", "--help lab"])
def test_help_is_shown_wherever_it_is_asked_for(words):
    done = run_invoke(*words.split(), **NOWHERE)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Run a lab: bring it up" in done.stdout
    assert "--junit" in done.stdout


def test_an_option_that_may_be_repeated_still_may():
    done = run_invoke("verdicts", "--run", "nowhere", "--run", "nowhere", **NOWHERE)
    assert done.stderr.startswith("nowhere is not a directory")


@pytest.mark.parametrize(
    ("words", "meant"),
    [("lab haipin", "hairpin"), ("up same_lan", "same-lan"), ("nat.show maskerade", "masquerade"),
     ("lab nat --nat eim/afd", "eim/adf"), ("nat.set symetric", "symmetric")],
)  # fmt: skip
def test_a_name_that_nearly_exists_is_proposed(words, meant):
    done = run_invoke(*words.split(), **NOWHERE)
    assert done.returncode == 2
    assert f"Did you mean '{meant}'?" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    ["--list", "--help lab", "catalog", "catalog --json", "nat.show home", f"judge {RECORDINGS / 'nat-none'} --json"],
)
def test_a_reader_that_leaves_ends_it_quietly(words):
    """As with `| head`: exit code 141, a shell's own for it."""
    with subprocess.Popen(
        [sys.executable, "-m", "invoke", *words.split()], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
