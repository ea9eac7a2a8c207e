"""The audit's steps and claims have the order that is written down, whatever module is imported first."""

import inspect

import pytest

from fourtuple.kit.scene import Scene
from fourtuple.net.requirements import REQUIREMENTS
from labs import audit
from labs.audit import carrier, plan, rfc4787, rfc5382, rfc5508, timers

PARTS = (plan, rfc4787, rfc5508, rfc5382, timers, carrier)


def test_the_steps_are_played_in_the_order_that_is_written_down():
    assert [step.play for step in audit.lab.steps] == list(audit.STEPS)
    assert audit.STEPS[0] is plan.open_the_servers
    assert audit.STEPS[-1] is timers.wait, "it sends the last datagram of the audit"


def test_the_claims_stand_in_the_order_of_the_rfcs():
    asked = [it.id for it in REQUIREMENTS if it.holds is not None]
    assert [claim.says.partition(" (")[0] for claim in audit.lab.claims] == asked


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_no_part_of_the_audit_adds_a_step_or_a_claim_by_being_imported(part):
    source = inspect.getsource(part)
    assert "lab.step" not in source
    assert "lab.add" not in source
    assert "lab.claim" not in source


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_step_of_a_part_is_played(part):
    """A function that takes the scene and nothing else is a step, and has the sentence of one."""
    steps = [it for _, it in inspect.getmembers(part, inspect.isfunction)
             if it.__module__ == part.__name__ and list(inspect.signature(it, eval_str=True).parameters) == ["scene"]
             and inspect.signature(it, eval_str=True).parameters["scene"].annotation is Scene]  # fmt: skip
    assert set(steps) <= set(audit.STEPS)
    assert part is carrier or steps
