"""A lab that is a package has its steps and claims in the order that is written down, whatever is imported first."""

import inspect
from collections.abc import Iterator
from importlib import import_module

import pytest

from fourtuple.evidence.facts import Facts
from fourtuple.kit.claim import Check
from fourtuple.kit.scene import Scene
from fourtuple.net.requirements import REQUIREMENTS
from labs import audit
from labs.audit import plan, timers

from ..conftest import CHECKOUT

PACKAGES = [".".join(it.parent.relative_to(CHECKOUT).parts) for it in sorted(CHECKOUT.glob("labs/**/__init__.py"))]
PARTS = [f"{it}.{part.stem}" for it in PACKAGES for part in sorted(CHECKOUT.glob(f"{it.replace('.', '/')}/[!_]*.py"))]


def functions(part, parameter, kind, returns):
    """The functions of a module that take this one parameter and return this."""
    found = []
    for _, function in inspect.getmembers(import_module(part), inspect.isfunction):
        signature = inspect.signature(function, eval_str=True)
        takes = {name: it.annotation for name, it in signature.parameters.items()}
        if function.__module__ == part and takes == {parameter: kind} and signature.return_annotation == returns:
            found.append(function)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_the_steps_are_played_and_the_claims_judged_in_the_order_that_is_written_down(package):
    lesson = import_module(package)
    assert [step.play for step in lesson.lab.steps] == list(lesson.STEPS)
    if lesson is not audit:
        assert [claim.name for claim in lesson.lab.claims] == [it.__name__ for it in lesson.CLAIMS]


def test_the_audit_begins_with_its_servers_and_ends_with_the_last_datagram():
    assert audit.STEPS[0] is plan.open_the_servers
    assert audit.STEPS[-1] is timers.wait, "it sends the last datagram of the audit"


def test_the_audits_claims_stand_in_the_order_of_the_rfcs():
    asked = [it.id for it in REQUIREMENTS if it.holds is not None]
    assert [claim.says.partition(" (")[0] for claim in audit.lab.claims] == asked


@pytest.mark.parametrize("part", PARTS)
def test_no_part_of_a_lab_adds_a_step_or_a_claim_by_being_imported(part):
    source = inspect.getsource(import_module(part))
    assert "lab.step" not in source
    assert "lab.add" not in source
    assert "lab.claim" not in source


@pytest.mark.parametrize("part", PARTS)
def test_every_step_and_every_claim_of_a_part_is_in_the_order(part):
    """A function that takes the scene and nothing else is a step; one that yields checks on the facts is a claim."""
    lesson = import_module(part.rpartition(".")[0])
    assert set(functions(part, "scene", Scene, None)) <= set(lesson.STEPS)
    examined = lesson.CLAIMS if lesson is not audit else plan.EXAMINED.values()
    assert set(functions(part, "facts", Facts, Iterator[Check])) <= set(examined)
