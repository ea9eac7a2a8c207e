"""On a machine that is held up nothing false is told: containers stand still at random, and no verdict changes.

`python -m tests.live.stalls` does the same to any command, as often as is wanted.
"""

from __future__ import annotations

import json
import os
import sys

import pytest

from fourtuple.net.endpoint import Protocol
from fourtuple.stage import matrix
from fourtuple.stage.progress import Silent

from ..conftest import CHECKOUT
from . import stalls

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("image")]
PAIRS = (("home", "home"), ("masquerade", "eim/apdf"), ("apdm/apdf ports=random:7", "eim/apdf"), ("none", "symmetric"))
MEASURED = 0.95  # of the meetings and claims, at least


@pytest.fixture(scope="module")
def homes(engine, image):
    with matrix.Matrix(engine, image) as homes:
        yield homes


def test_meetings_come_as_predicted(engine, homes):
    with stalls.Stalls(engine, os.getpid()) as stalled:
        cells = [cell for pair in PAIRS for cell in homes.play([Protocol.UDP, Protocol.TCP], pair, Silent())]
    assert stalled.count, "nothing was held up"
    assert not [it.as_dict() for it in cells if it.surprises]
    assert sum(not it.missed for it in cells) >= MEASURED * len(cells)


def test_a_broken_router_is_found_all_the_same(engine, homes, monkeypatch):
    """Bob's router lets everybody in; told to be what it is not, it surprises in every meeting."""
    become = homes._become

    def break_it(router, behaviour):
        become(router, behaviour)
        if router == "router_b":
            homes._scene.run(router, "nft", "insert", "rule", "ip", "fourtuple", "unsolicited", "accept")

    monkeypatch.setattr(homes, "_become", break_it)
    with stalls.Stalls(engine, os.getpid()):
        cells = list(homes.play([Protocol.UDP, Protocol.TCP], ("apdm/apdf ports=random:7", "eim/apdf"), Silent()))
    assert [it.surprises for it in cells] == [True] * 6, [it.as_dict() for it in cells]


@pytest.mark.parametrize("lab", ["nat", "timewait", "rendezvous", "lifetime", "hairpin"])
def test_a_lab_tells_the_same(engine, tmp_path, lab):
    argv = [sys.executable, "-m", "invoke", "lab", lab, "--json", "--out", str(tmp_path)]
    done, count = stalls.run(engine, *argv, cwd=CHECKOUT)
    claims = json.loads(done.stdout)["claims"]
    assert count, "nothing was held up"
    outcomes = [it["outcome"] for it in claims]
    assert set(outcomes) <= {"holds", "not measured", "not asked"}, done.stdout
    assert sum(it != "not measured" for it in outcomes) >= MEASURED * len(outcomes), done.stdout
