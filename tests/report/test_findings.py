"""An audit's findings: measured on a recording, predicted from a behaviour; where they differ, it says so."""

from dataclasses import replace

import pytest
from junitparser import JUnitXml

from fourtuple.evidence import rundir
from fourtuple.net import requirements
from fourtuple.net.presets import parse
from fourtuple.net.requirements import Level, Requirement
from fourtuple.report import findings, report
from fourtuple.report.findings import CONFORMS, DOES_NOT, NOT_TESTED, UNDECIDED, Finding
from fourtuple.report.provenance import Provenance

from ..conftest import RECORDINGS


@pytest.fixture(scope="module")
def judged():
    return report.judge(rundir.load(RECORDINGS / "audit"))


def test_every_requirement_is_found_once_and_what_is_not_tested_says_why(judged):
    found = findings.of(judged, judged.run.facts.nat)
    assert [it.requirement for it in found] == list(requirements.REQUIREMENTS)
    assert all(it.why for it in found if it.outcome == NOT_TESTED)
    assert all(it.evidence for it in found if it.outcome == CONFORMS)
    assert findings.summary(found) == "51 requirements: 28 conforms, 23 not tested; all as predicted"
    assert findings.exit_code(found) == 0


@pytest.mark.parametrize(
    ("behaviour", "strange"),
    [
        ("symmetric", {"RFC 4787 REQ-1", "RFC 4787 REQ-2", "RFC 4787 REQ-4", "RFC 4787 REQ-6", "RFC 4787 REQ-8",
                       "RFC 4787 REQ-9", "RFC 4787 REQ-11", "RFC 5382 REQ-1", "RFC 5382 REQ-2", "RFC 5382 REQ-3",
                       "RFC 5382 REQ-8", "RFC 5508 REQ-7", "RFC 6888 REQ-2", "RFC 6888 REQ-7"}),
        ("masquerade", {"RFC 4787 REQ-2", "RFC 4787 REQ-3", "RFC 4787 REQ-5", "RFC 4787 REQ-8", "RFC 4787 REQ-9",
                        "RFC 4787 REQ-11", "RFC 5382 REQ-3", "RFC 5382 REQ-7", "RFC 5382 REQ-8", "RFC 5508 REQ-7",
                        "RFC 6888 REQ-2", "RFC 6888 REQ-7"}),
        ("full-cone udp=120s addresses=2", set()),
    ],
)  # fmt: skip
def test_a_router_that_does_better_than_its_behaviour_is_found_out_too(judged, behaviour, strange):
    found = findings.of(judged, parse(behaviour))
    assert {it.requirement.id for it in found if not it.as_predicted} == strange
    assert findings.exit_code(found) == (1 if strange else 0)


def test_without_a_behaviour_to_compare_with_nothing_is_strange(judged):
    found = findings.of(judged, None)
    assert {it.as_predicted for it in found} == {None}
    assert "predicted" not in findings.summary(found)


def test_what_takes_two_minutes_is_predicted_as_not_tested_by_an_audit_in_a_hurry(judged):
    facts = replace(judged.run.facts, meta={**judged.run.facts.meta, "full": False})
    hurried = replace(judged, run=replace(judged.run, facts=facts))
    strange = {it.requirement.id for it in findings.of(hurried, judged.run.facts.nat) if not it.as_predicted}
    assert strange == {"RFC 4787 REQ-5", "RFC 4787 REQ-6"}


SOURCE = Provenance("results/audit/x", "2026-11-26T10:00:00+00:00", "0.2", "28.5", "6.18", {"theirs:1": "sha256:ab"})


def finding(outcome, level=Level.MUST, as_predicted=None):
    return Finding(Requirement("RFC 1 REQ-1", level, "it is so"), outcome, "because", as_predicted)


@pytest.mark.parametrize(
    ("found", "code", "word"),
    [
        (finding(CONFORMS), 0, None),
        (finding(NOT_TESTED), 0, "skipped"),
        (finding(DOES_NOT), 1, "failure"),
        (finding(DOES_NOT, Level.SHOULD), 0, None),
        (finding(DOES_NOT, Level.SHOULD, as_predicted=False), 1, "failure"),
        (finding(DOES_NOT, as_predicted=True), 0, None),
        (finding(CONFORMS, as_predicted=False), 1, "failure"),
        (finding(UNDECIDED), 2, "error"),
    ],
)  # fmt: skip
def test_exit_code_and_junit_say_what_was_found(found, code, word, tmp_path):
    assert findings.exit_code([found]) == code
    findings.write_junit([found], SOURCE, tmp_path / "junit.xml")
    ((case,),) = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert [type(part).__name__.lower() for part in case.result] == ([word] if word else [])


def test_a_should_that_is_not_met_is_noted_and_no_failure(tmp_path):
    findings.write_junit([finding(DOES_NOT, Level.SHOULD)], SOURCE, tmp_path / "junit.xml")
    ((case,),) = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert case.system_out == "not met: because"


def test_what_is_kept_says_where_it_comes_from(tmp_path):
    found = [finding(CONFORMS)]
    findings.write_junit(found, SOURCE, tmp_path / "junit.xml")
    (suite,) = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    said = {it.name: it.value for it in suite.properties()}
    assert said == {"run": "results/audit/x", "version": "0.2", "engine": "28.5", "kernel": "6.18",
                    "image theirs:1": "sha256:ab"}  # fmt: skip
    assert suite.timestamp == SOURCE.time
    told = findings.as_dict(found, SOURCE)
    assert told["provenance"] == SOURCE.as_dict()
    assert told["exit_code"] == findings.exit_code(found)
