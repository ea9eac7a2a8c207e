"""An audit's findings: measured on a recording, predicted from a behaviour; where they differ, it says so."""

import pytest

from labs.kit import findings, report, rundir
from labs.net import requirements
from labs.net.presets import parse

from ..conftest import RECORDINGS


@pytest.fixture(scope="module")
def judged():
    return report.judge(rundir.load(RECORDINGS / "audit"))


def test_every_requirement_is_found_once_and_what_is_not_tested_says_why(judged):
    found = findings.of(judged, judged.run.facts.nat)
    assert [it.requirement for it in found] == list(requirements.REQUIREMENTS)
    assert all(it.why for it in found if it.outcome == findings.NOT_TESTED)
    assert all(it.evidence for it in found if it.outcome == findings.CONFORMS)
    assert findings.summary(found) == "23 requirements: 13 conforms, 10 not tested; all as predicted"


@pytest.mark.parametrize(
    ("behaviour", "strange"),
    [
        ("symmetric", {"RFC 4787 REQ-1", "RFC 4787 REQ-8", "RFC 4787 REQ-9", "RFC 4787 REQ-11", "RFC 5382 REQ-1",
                       "RFC 5382 REQ-3"}),
        ("masquerade", {"RFC 4787 REQ-3", "RFC 4787 REQ-8", "RFC 4787 REQ-9", "RFC 4787 REQ-11", "RFC 5382 REQ-3",
                        "RFC 5382 REQ-7"}),
        ("full-cone", set()),
    ],
)  # fmt: skip
def test_a_router_that_does_better_than_its_behaviour_is_found_out_too(judged, behaviour, strange):
    found = findings.of(judged, parse(behaviour))
    assert {it.requirement.id for it in found if not it.as_predicted} == strange
