"""Which labs decide a saying follows from the saying and from the code of the claims, and the recordings agree."""

import pytest

from fourtuple.evidence import rundir
from fourtuple.kit import catalog
from fourtuple.report import court, deciding, quiz, report
from fourtuple.report.court import Saying

from ..conftest import RECORDINGS


@pytest.fixture(scope="module")
def answered():
    """Which sayings the claims of each lab answered in its recordings."""
    found = {}
    for path in RECORDINGS.iterdir():
        judged = report.judge(rundir.load(path))
        ids = {name for verdict in judged.verdicts for check in verdict.checks for name in check.answers}
        found.setdefault(judged.lab.name, set()).update(ids)
    return found


@pytest.mark.parametrize("lab", catalog.names())
def test_what_the_code_of_a_lab_answers_is_what_its_recordings_answer(lab, answered):
    assert {it.id for it in court.sayings() if deciding.answers(lab, it)} == answered[lab]


def test_every_testable_saying_is_answered_by_the_lab_it_names(answered):
    for saying in court.sayings(labs=catalog.names()):
        assert not saying.trouble
        if saying.lab and saying.lab != court.COURT:
            assert saying.id in answered[saying.lab]
        assert bool(deciding.runs(saying)) == bool(saying.lab)


def test_needed_is_every_run_of_every_lab_that_decides():
    labs = {lab for lab, _nat in deciding.needed(court.sayings())}
    assert {"bind", "nat", "publish", "rendezvous"} <= labs
    assert not labs & {"audit", "lifetime", "punch"}
    assert deciding.needed([Saying("mine", "x", "nat")]) == sorted(("nat", nat) for nat in catalog.find("nat").nats)


def test_a_lab_that_no_saying_names_is_asked_about_those_its_claims_answer():
    asked = quiz.questions(catalog.find("publish"), court.sayings())
    assert {it.id for it in asked} == {"C56", "C70"}
