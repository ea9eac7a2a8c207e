"""Labs are found where one says they are, ours and anybody's alike; what is wrong with one is said with its line."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from fourtuple import places
from fourtuple.errors import UsageError
from fourtuple.kit import catalog

HELLO = '''"""What a stranger teaches."""

from dataclasses import dataclass

from fourtuple import Check, Lab, marked

lab = Lab("hello", "A stranger's lab", "single")


@dataclass(slots=True)
class Word:
    """Its own class, for which its module must be known while it runs."""

    says: str


@lab.step
def speak(scene):
    """Somebody speaks."""


@lab.claim
def somebody_spoke(facts):
    """Somebody spoke."""
    yield Check("a word", Word("x"), Word("x"))
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A directory that is searched as well."""
    monkeypatch.setenv(catalog.VARIABLE, "")
    catalog.also(str(tmp_path))
    yield tmp_path
    catalog._index.cache_clear()


def test_ours_are_found_by_chapter():
    assert {"nat", "same-lan", "bind", "audit"} <= set(catalog.names())
    assert catalog.find("same-lan").name == "same-lan"
    assert catalog.lesson("same-lan").startswith("Two hosts behind one router.")


def test_each_of_ours_is_called_as_its_file_is():
    for it in catalog._defined(places.of("labs")):
        assert it.name == it.path.stem.replace("_", "-")


def test_a_strangers_lab_is_found_in_a_chapter_of_a_directory(mine):
    (mine / "chapter").mkdir()
    (mine / "chapter" / "hello.py").write_text(HELLO)
    assert "hello" in catalog.names()
    lab = catalog.find("hello")
    assert (lab.title, lab.claims[0].says) == ("A stranger's lab", "Somebody spoke.")
    assert catalog.lesson("hello") == "What a stranger teaches."
    assert catalog.elsewhere("nat") is None
    assert catalog.elsewhere("hello") == catalog.files("hello")[0]


def test_a_lab_may_be_a_package_with_modules_of_its_own(mine):
    package = mine / "hello"
    package.mkdir()
    (package / "__init__.py").write_text(HELLO + "\nfrom .words import SAID\nassert SAID\n")
    (package / "words.py").write_text("SAID = 1\n")
    assert catalog.find("hello").name == "hello"


def test_a_lab_is_called_by_the_path_of_its_file(tmp_path, monkeypatch):
    monkeypatch.setenv(catalog.VARIABLE, "")
    file = tmp_path / "hello.py"
    file.write_text(HELLO)
    assert catalog.called(str(file)) == "hello"
    assert catalog.find("hello").title == "A stranger's lab"


def test_a_name_is_never_taken_for_a_path(tmp_path):
    """What a run directory says of its lab must not run a file."""
    file = tmp_path / "hello.py"
    file.write_text(f"raise SystemExit('{file} was run')\nlab = Lab('hello')\n")
    with pytest.raises(UsageError, match="there is no lab called"):
        catalog.find(str(file))


def test_what_defines_no_lab_is_not_run(mine):
    (mine / "setup.py").write_text("raise SystemExit('it was run')\n")
    assert "nat" in catalog.names()


def test_a_lab_made_by_a_function_is_found_by_running_it(mine):
    (mine / "made.py").write_text("from fourtuple import Lab\nNAME = 'made'\nlab = Lab(NAME, 'Made', 'single')\n")
    assert catalog.find("made").title == "Made"


def test_two_of_one_name_are_refused_with_both_places(mine):
    for place in ("one", "two"):
        (mine / f"{place}.py").write_text(HELLO)
    with pytest.raises(UsageError, match=r"two labs are called hello: .*one\.py and .*two\.py"):
        catalog.names()


def test_none_at_all_is_a_sentence(mine, monkeypatch):
    monkeypatch.setattr(places, "of", lambda _: mine / "nothing")
    with pytest.raises(UsageError, match="no lab was found in"):
        catalog.names()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('lab = Lab("hello")\n', r"hello\.py, line 1, cannot be loaded: NameError"),
        (HELLO + "\nimport nothing_of_that_name\n", r"line 27, cannot be loaded: ModuleNotFoundError"),
        (HELLO + "\ndef broken(:\n", r"hello\.py, line 27, cannot be loaded: SyntaxError"),
        (HELLO + "\nraise SystemExit(3)\n", r"line 27, cannot be loaded: SystemExit: 3"),
        ('lab = Lab = lambda *_: 3\nlab = Lab("hello")\n', r"hello\.py defines no lab: `lab` is 3"),
    ],
)
def test_a_lab_that_cannot_be_loaded_is_said_with_its_line(mine, text, says):
    (mine / "hello.py").write_text(text)
    with pytest.raises(UsageError, match=says):
        catalog.find("hello")
    assert not [it for it in sys.modules if it.startswith("fourtuple_lab_hello") and "hello" not in text]


def test_a_place_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv(catalog.VARIABLE, "")
    with pytest.raises(UsageError, match="there is no /nowhere"):
        catalog.also("/nowhere")


def test_another_distribution_may_bring_labs(tmp_path, monkeypatch):
    monkeypatch.setenv(catalog.VARIABLE, "")
    package = tmp_path / "theirs"
    package.mkdir()
    (package / "hello.py").write_text(HELLO)
    monkeypatch.syspath_prepend(tmp_path)
    point = SimpleNamespace(name="theirs", value="theirs", module="theirs")
    monkeypatch.setattr(catalog.metadata, "entry_points", lambda group: [point] if group == catalog.GROUP else [])
    catalog._index.cache_clear()
    assert "hello" in catalog.names()
    catalog._index.cache_clear()


def test_the_lab_of_a_package_may_stand_in_one_of_its_modules(mine):
    package = mine / "pk"
    package.mkdir()
    (package / "__init__.py").write_text('"""What it teaches."""\n')
    (package / "plan.py").write_text(HELLO.replace("hello", "pk"))
    assert catalog.find("pk").title == "A stranger's lab"
    assert catalog.called(f"{package}/") == "pk"
    assert catalog.lesson("pk") == "What it teaches."


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("./nope.py", r"there is no \./nope\.py"),
        ("{}/", "defines no lab; .* was wanted\nSearch a directory with --labs"),
    ],
)
def test_a_path_without_a_lab_is_a_sentence(tmp_path, monkeypatch, word, says):
    monkeypatch.setenv(catalog.VARIABLE, "")
    with pytest.raises(UsageError, match=says):
        catalog.called(word.format(tmp_path))


@pytest.mark.parametrize(("module", "says"), [("nosuch.labs", "cannot be followed: ModuleNotFoundError"),
                                              ("nosuch", "names no module that is installed")])  # fmt: skip
def test_an_entry_point_that_leads_nowhere_is_said(monkeypatch, module, says):
    point = SimpleNamespace(name="theirs", value=module, module=module)
    monkeypatch.setattr(catalog.metadata, "entry_points", lambda **_: [point])
    catalog._index.cache_clear()
    with pytest.raises(UsageError, match=rf"the entry point theirs = {module} of fourtuple\.labs {says}"):
        catalog.names()
    catalog._index.cache_clear()
