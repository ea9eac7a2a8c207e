"""A claim holds, fails or is undecided, and nothing else."""

import struct

import pytest

from fourtuple.errors import EvidenceError, TooLate
from fourtuple.kit.claim import Check, Claim, Outcome
from fourtuple.kit.lab import Lab


def judge(*checks, missing=None):
    def examine(facts):
        yield from checks
        if missing:
            raise EvidenceError(missing)

    return Claim("name", "It is so.", examine).judge(None)


def test_it_holds_when_every_comparison_does():
    assert judge(Check("a", 1, 1), Check("b", "x", "x")).outcome is Outcome.HOLDS


def test_one_difference_makes_it_fail_and_is_named():
    verdict = judge(Check("a", 1, 1), Check("b", "x", "y"))
    assert verdict.outcome is Outcome.FAILS
    assert [check.about for check in verdict.differing] == ["b"]


def test_without_a_comparison_it_is_undecided():
    verdict = judge()
    assert (verdict.outcome, verdict.why) == (Outcome.UNDECIDED, "nothing was there to compare")


def test_missing_evidence_makes_it_undecided():
    verdict = judge(Check("a", 1, 1), missing="no packet came")
    assert (verdict.outcome, verdict.why) == (Outcome.UNDECIDED, "no packet came")


def test_what_is_proven_to_differ_fails_whatever_else_is_missing():
    verdict = judge(Check("a", 1, 2), missing="no packet came")
    assert (verdict.outcome, verdict.why) == (Outcome.FAILS, "no packet came")


def test_evidence_that_makes_no_sense_is_undecided_with_the_reason():
    def examine(facts):
        yield Check("a", 1, int(facts))

    verdict = Claim("name", "It is so.", examine).judge("nonsense")
    assert verdict.outcome is Outcome.UNDECIDED
    assert "the evidence makes no sense: ValueError" in verdict.why


@pytest.mark.parametrize("trips", [lambda: [].x, lambda: 1 // 0, lambda: struct.unpack("I", b""), lambda: {}["a"]])
def test_whatever_a_claim_trips_over_leaves_it_undecided(trips):
    def examine(facts):
        yield Check("a", 1, trips())

    verdict = Claim("name", "It is so.", examine).judge(None)
    assert (verdict.outcome, verdict.checks) == (Outcome.UNDECIDED, ())
    assert "the evidence makes no sense: " in verdict.why


def test_a_claim_without_its_sentence_is_its_authors_mistake():
    lab = Lab("x", "X", "nat", ())
    with pytest.raises(ValueError, match="needs a docstring: it is the sentence people read"):
        lab.claim(lambda _: iter(()))


def test_what_came_too_late_to_tell_is_not_measured():
    def examine(facts):
        yield Check("a", 1, 1)
        raise TooLate("the answer came 0.4 s late")

    verdict = Claim("name", "It is so.", examine).judge(None)
    assert (verdict.outcome, verdict.why) == (Outcome.NOT_MEASURED, "the answer came 0.4 s late")
