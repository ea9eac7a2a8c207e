"""A saying is ruled by the answers of the evidence: all yes, all no, both, or none."""

import json
from dataclasses import replace

import pytest

from labs.kit import catalog, court, report, rundir
from labs.kit.court import Ruling, Saying
from labs.kit.errors import UsageError

from ..conftest import CHECKOUT, RECORDINGS

EXPECTED = json.loads((CHECKOUT / "tests" / "rulings.json").read_text())


@pytest.fixture(scope="module")
def reports():
    return [report.judge(rundir.load(path)) for path in RECORDINGS.iterdir()]


def rulings(reports):
    return {it.saying.id: it for it in court.judge(reports)}


def test_every_saying_that_a_lab_here_decides_is_ruled_as_it_must_be(reports):
    """`rulings.json` is what the evidence must yield; nothing but this test reads it."""
    labs = set(catalog.names())
    for judged in rulings(reports).values():
        if judged.ruling not in (Ruling.UNDECIDED, Ruling.UNTESTABLE):
            assert judged.ruling.value == EXPECTED[judged.saying.id], judged.saying
        if judged.saying.lab in labs:
            assert judged.ruling is not Ruling.UNDECIDED, judged.saying


def test_what_no_run_here_answers_is_undecided_and_never_filled_in(reports):
    absent = {
        it.saying.id for it in rulings(reports).values() if it.saying.lab not in ("", "verdicts", *catalog.names())
    }
    assert absent
    assert all(rulings(reports)[name].ruling is Ruling.UNDECIDED for name in absent)
    assert {it.ruling for it in court.judge([])} == {Ruling.UNDECIDED, Ruling.UNTESTABLE}


def test_one_errno_turns_a_ruling(reports):
    """The second server is recorded as having been let in: what was conditional is now simply false."""
    (judged,) = (it for it in reports if it.run.lab == "bind")
    facts = judged.run.facts
    events = tuple(replace(it, error=None) if (it.socket, it.call) == ("second", "bind") else it for it in facts.events)
    turned = report.judge(replace(judged.run, facts=replace(facts, events=events)))
    assert rulings([judged])["C93"].ruling is Ruling.CONDITIONAL
    assert rulings([turned])["C93"].ruling is Ruling.FALSE


def test_the_answers_of_an_undecided_claim_do_not_count(reports):
    (judged,) = (it for it in reports if it.run.lab == "bind")
    facts = judged.run.facts
    events = tuple(it for it in facts.events if it.socket != "after the first ended")
    partial = report.judge(replace(judged.run, facts=replace(facts, events=events)))
    assert rulings([partial])["C103"].ruling is Ruling.UNDECIDED


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([{"id": "C1", "says": "x", "lab": "nat"}] * 2, "has the id C1 twice"),
        ([{"id": "C1", "says": "x", "lab": "nta"}], "gives C1 to the lab 'nta', and there is none of that name"),
        ([{"id": "C1"}], "is not a file of sayings"),
        ("nonsense", "is not a file of sayings"),
    ],
)
def test_a_wrong_file_of_sayings_is_a_sentence(tmp_path, entries, says):
    file = tmp_path / "sayings.json"
    file.write_text(json.dumps(entries))
    with pytest.raises(UsageError, match=says):
        court.sayings(file, labs=catalog.names())


def test_every_saying_is_read_once_and_nothing_of_its_ruling_is_in_the_file():
    read = court.sayings()
    assert len(read) == len({it.id for it in read}) == 170
    assert set(json.loads(court.SAYINGS.read_text())[0]) == {"id", "says", "lab"}
    assert Saying("C114", "There are situations in which several sockets use one port.", "verdicts") in read
