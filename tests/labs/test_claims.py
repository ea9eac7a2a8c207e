"""Every claim of every lab, on real runs kept in the repository: it holds, it can be undecided, and it can fail.

No claim is vacuous: on a recording where it holds, each single comparison behind it fails when one field of one
witness is changed. `invoke record LAB` makes the recordings again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import islice

import pytest

from fourtuple.evidence import rundir
from fourtuple.evidence.capture import Capture
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet
from fourtuple.kit import catalog
from fourtuple.kit.claim import Check, Claim, Evidence, Outcome
from fourtuple.net.behaviour import NatBehaviour
from fourtuple.net.presets import PRESETS
from fourtuple.stage.recordings import name

from ..conftest import RECORDINGS
from .mutation import joint, mutants, strayed

EVERY = sorted(path.name for path in RECORDINGS.iterdir() if path.is_dir())


@cache
def facts_of(recording: str) -> Facts:
    return rundir.load(RECORDINGS / recording).facts


@cache
def claims_of(recording: str) -> tuple[Claim, ...]:
    return tuple(catalog.find(rundir.load(RECORDINGS / recording).lab).claims)


CASES = [pytest.param(it, claim, id=f"{it}-{claim.name}") for it in EVERY for claim in claims_of(it)]


def test_every_lab_has_a_recording_with_every_nat():
    labs = map(catalog.find, catalog.names())
    assert {name(lab, nat) for lab in labs for nat in lab.nats} == set(EVERY)


@pytest.mark.parametrize(("recording", "claim"), CASES)
def test_it_holds_on_the_recording(recording, claim):
    verdict = claim.judge(facts_of(recording))
    assert verdict.outcome is Outcome.HOLDS, (verdict.why, verdict.differing)
    assert verdict.checks
    assert all(check.seen for check in verdict.checks), "a check without evidence"


@pytest.mark.parametrize(("recording", "claim"), CASES)
def test_it_is_undecided_when_nothing_was_recorded(recording, claim):
    facts = facts_of(recording)
    nothing = replace(facts, captures={tap: Capture(tap, ()) for tap in facts.captures}, events=(), conntrack=None)
    assert claim.judge(nothing).outcome is Outcome.UNDECIDED


@pytest.mark.parametrize(("recording", "claim"), CASES)
@pytest.mark.parametrize("tap", ["lan", "wan"])
def test_it_never_holds_without_a_tap_it_cites(recording, claim, tap):
    facts = facts_of(recording)
    cited = {getattr(seen, "tap", None) for check in claim.judge(facts).checks for seen in check.seen}
    deaf = replace(facts, captures={**facts.captures, tap: Capture(tap, ())})
    expected = Outcome.UNDECIDED if tap in cited else Outcome.HOLDS
    assert claim.judge(deaf).outcome is expected


@pytest.mark.parametrize(("recording", "claim"), CASES)
def test_it_fails_when_one_field_of_one_witness_changes(recording, claim):
    assert _failing(claim, facts_of(recording), jointly=False), "no single change made it fail"


@pytest.mark.parametrize(("recording", "claim"), CASES)
def test_each_comparison_behind_it_can_fail(recording, claim):
    """One over a single packet when a field of that changes; one over many when the field changes in all of them."""
    facts = facts_of(recording)
    assert {check.about for check in claim.judge(facts).checks} <= _failing(claim, facts, jointly=True)


def _failing(claim: Claim, facts: Facts, jointly: bool) -> set[str]:
    """What some change of the facts makes differ; stops looking when everything has differed once."""
    checks = claim.judge(facts).checks
    everything = {check.about for check in checks}
    failed: set[str] = set()
    for mutant in changes(facts, checks, jointly):
        verdict = claim.judge(mutant)
        if verdict.outcome is Outcome.FAILS:
            failed |= {check.about for check in verdict.differing}
        if failed >= everything or (failed and not jointly):
            break
    return failed


def changes(facts: Facts, checks: tuple[Check, ...], jointly: bool) -> Iterator[Facts]:
    """Cheap changes first, then those that need many of them."""
    witnesses = {id(seen): seen for check in checks for seen in check.seen}  # an event may hold a list: not hashable
    for witness in _representatives(witnesses.values()):
        yield from mutants(facts, witness)
    if jointly:
        for check in checks:
            yield from joint(facts, check.seen)
        yield from strayed(facts, list(witnesses.values()))
        cited = {seen.tap for seen in witnesses.values() if isinstance(seen, Packet)}
        for packet in islice((it for it in facts.packets() if it.tap in cited), 80):
            yield from mutants(facts, packet, others=True)


def _representatives(witnesses: Iterable[Evidence]) -> Iterator[Evidence]:
    """The witnesses in turn, at most sixty calls of a kind: they stand for the others."""
    seen: Counter[tuple[type, str]] = Counter()
    for witness in witnesses:
        kind = (type(witness), getattr(witness, "call", ""))
        seen[kind] += 1
        if seen[kind] <= 60 or isinstance(witness, Packet):
            yield witness


@pytest.mark.parametrize("recording", [it for it in EVERY if it.startswith("nat-")])
@pytest.mark.parametrize("other", sorted(PRESETS))
def test_a_router_that_is_not_what_it_is_called_is_found_out(recording, other):
    """The same packets, said to be another behaviour's: where a client can tell, nothing is concluded; else some claim
    fails."""
    facts, nat = facts_of(recording), PRESETS[other]
    outcomes = {claim.judge(replace(facts, nat=nat)).outcome for claim in claims_of(recording)}
    if (nat.mapping, nat.filtering) != (facts.nat.mapping, facts.nat.filtering):
        assert outcomes == {Outcome.UNDECIDED}
    else:
        assert (Outcome.FAILS in outcomes) == (_shown(facts.nat) != _shown(nat))


def _shown(nat: NatBehaviour) -> tuple[object, ...]:
    """What this lab shows of a behaviour; names that agree in it are one router here."""
    return nat.mapping, nat.filtering, nat.preserves_port(), nat.translates
