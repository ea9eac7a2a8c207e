"""A saying is ruled by the answers of the evidence: all yes, all no, both, or none."""

import json
from dataclasses import fields, replace

import pytest

from fourtuple.errors import UsageError
from fourtuple.evidence import rundir
from fourtuple.kit import catalog
from fourtuple.report import court, expectations, report
from fourtuple.report.court import Ruling, Saying

from ..conftest import RECORDINGS

EXPECTED = {name: it.value for name, it in expectations.expected(court.entries()).items()}


@pytest.fixture(scope="module")
def reports():
    return [report.judge(rundir.load(path)) for path in RECORDINGS.iterdir()]


def rulings(reports):
    return {it.saying.id: it for it in court.judge(reports)}


def test_every_saying_that_a_lab_decides_is_ruled_as_it_must_be(reports):
    ruled = {name: it.ruling.value for name, it in rulings(reports).items()}
    assert ruled == EXPECTED


def test_what_no_run_here_answers_is_undecided_and_never_filled_in(reports):
    without = rulings([it for it in reports if it.run.lab != "rendezvous"])
    absent = {it.saying.id for it in without.values() if it.saying.lab == "rendezvous"}
    assert absent
    assert all(without[name].ruling is Ruling.UNDECIDED for name in absent)
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


@pytest.mark.parametrize("entries", [[{"id": "C1"}], "nonsense", {"C1": "x"}])
def test_a_wrong_file_of_sayings_is_a_sentence(tmp_path, entries):
    file = tmp_path / "sayings.json"
    file.write_text(json.dumps(entries))
    with pytest.raises(UsageError, match="is not a file of sayings"):
        court.sayings(court.entries(file), catalog.names())


def test_a_saying_that_cannot_be_put_is_undecided_with_the_reason_and_the_others_are_judged(tmp_path, reports):
    file = tmp_path / "sayings.json"
    entries = [("C93", "bind"), ("C93", "bind"), ("C46", "conversatoins"), ("C24", "conversations")]
    file.write_text(json.dumps([{"id": name, "says": "x", "lab": lab} for name, lab in entries]))
    first, again, misspelt, other = court.judge(reports, court.sayings(court.entries(file), catalog.names()))
    assert (first.ruling.value, other.ruling.value) == (EXPECTED["C93"], EXPECTED["C24"])
    assert again.why == "the id C93 was there before"
    assert misspelt.why == "there is no lab called conversatoins"
    assert {again.ruling, misspelt.ruling} == {Ruling.UNDECIDED}


def test_one_packet_turns_a_ruling(reports):
    """A segment of the server is recorded as having come from another port: what was true is now false."""
    (judged,) = (it for it in reports if it.run.lab == "publish")
    facts = judged.run.facts
    answer = facts.at("bob").only("from client1")
    moved = replace(answer, flow=replace(answer.flow, source=replace(answer.flow.source, port=8090)))
    packets = tuple(moved if it is answer else it for it in facts.at("bob"))
    captures = {**facts.captures, "bob": replace(facts.at("bob"), packets=packets)}
    turned = report.judge(replace(judged.run, facts=replace(facts, captures=captures)))
    assert rulings([judged])["C70"].ruling is Ruling.TRUE
    assert rulings([turned])["C70"].ruling is Ruling.CONDITIONAL  # one visitor's answers, not the other's


def test_every_saying_is_read_once_without_what_is_expected_of_it():
    read = court.sayings()
    assert len(read) == len({it.id for it in read}) == 170
    assert set(EXPECTED) == {it.id for it in read}
    assert {it.name for it in fields(Saying)} == {"id", "says", "lab", "trouble"}
    assert Saying("C114", "There are situations in which several sockets use one port.", "verdicts") in read


def test_judging_does_not_change_when_everything_else_is_expected(tmp_path, reports):
    """Each expectation is replaced by another ruling: what is ruled, and by which answers, stays the same."""
    others = dict(zip(expectations.RULINGS, [*list(expectations.RULINGS)[1:], "true"], strict=True))
    entries = [it | {"ruling": others[it["ruling"]]} for it in json.loads(court.SAYINGS.read_text())]
    file = tmp_path / "sayings.json"
    file.write_text(json.dumps(entries))
    altered = court.entries(file)
    assert all(it.value != EXPECTED[name] for name, it in expectations.expected(altered).items())
    judged = court.judge(reports, court.sayings(altered))
    assert judged == court.judge(reports)
    compared = expectations.Comparison(tuple(reports), judged, expectations.expected(altered))
    assert len(compared.differing) == len(entries)
