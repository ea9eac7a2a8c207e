"""Meeting through a rendezvous on the real engine: who meets whom, what goes wrong, and guests who misbehave."""

from __future__ import annotations

import json

import pytest

from labs.agents.meet_load import ABUSES
from labs.net import meeting
from labs.net.endpoint import Protocol
from labs.stage import matrix
from labs.stage.progress import Silent

from .conftest import run_invoke
from .live import traces

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("image")]
PAIRS = (("home", "home"), ("eim/apdf", "apdm/apdf ports=random:7"), ("eim/eif", "symmetric"), ("none", "masquerade"),
         ("adm/adf ports=random:7", "adm/adf ports=random:7"), ("masquerade-random", "eim/apdf"), ("home", "bare"),
         ("adm/adf ports=random:7", "eim/apdf unsolicited=rst"))  # fmt: skip


@pytest.fixture(scope="module")
def homes(engine, image):
    with matrix.Matrix(engine, image) as homes:
        yield homes


@pytest.mark.parametrize("pair", PAIRS, ids=" x ".join)
def test_they_meet_where_theory_says_and_nowhere_else(homes, pair):
    cells = list(homes.play([Protocol.UDP, Protocol.TCP], pair, Silent()))
    assert len(cells) == 6
    assert not [it.as_dict() for it in cells if it.surprises]


def meet(homes, port, transport="udp", **changed):
    """What alice's puncher reports of a meeting with a bob who may be missing."""
    scene, number = homes._scene, port
    plan = {"name": f"alice-{number}", "wanted": f"bob-{number}", "server": str(homes._server), "port": port,
            "asks": True} | changed  # fmt: skip
    return scene.act("alice", "puncher.report", scene.act("alice", "puncher.start", transport, plan))


@pytest.mark.parametrize(
    ("transport", "changed", "why"),
    [
        ("udp", {}, "the server refused ASK: UNKNOWN"),
        ("tcp", {}, "the server refused ASK: UNKNOWN"),
        ("udp", {"server": "198.18.255.1:4747"}, "the server did not answer HELLO"),
        ("udp", {"asks": False}, "nobody introduced bob"),
    ],
)
def test_what_keeps_a_peer_from_meeting_is_said(homes, transport, changed, why):
    told = meet(homes, 41000 + len(why), transport, **changed)
    assert told["outcome"] == "no answer"
    assert told["why"].startswith(why)


def test_a_server_that_is_down_is_said_at_once_over_tcp(homes):
    witness = homes._scene.endpoint("witness", meeting.PORT)
    assert "refused" in meet(homes, 41900, "tcp", server=str(witness))["why"]


def test_a_peer_that_vanishes_after_the_introduction_leaves_nobody_waiting(homes):
    """bob registers and is gone; alice is introduced to him all the same."""
    scene = homes._scene
    scene.act("bob", "meet_load.crowd", str(homes._server), "bob-vanished", 1)
    told = meet(homes, 41950, wanted="bob-vanished-0")
    assert (told["outcome"], told["why"]) == ("no answer", "nothing of the peer was heard")
    assert told["sent"] > 0


@pytest.mark.parametrize("kind", ABUSES)
def test_honest_peers_are_served_among_those_who_misbehave(homes, kind):
    scene, server = homes._scene, str(homes._server)
    scene.act("bob", "meet_load.misbehave", server, kind, 1.5, 1000)
    assert scene.act("alice", "meet_load.honest", server, f"honest-{kind}", 20) == 20


def test_the_matrix_is_a_command(engine, tmp_path):
    before = traces(engine)
    done = run_invoke("matrix", "--a", "home", "--b", "eim/apdf", "--proto", "tcp", "--json",
                      "--page", str(tmp_path / "page.html"), "--junit", str(tmp_path / "junit.xml"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout)
    assert [it["order"] for it in cells] == ["both", "a", "b"]
    assert all(it["met"] and it["predicted"] for it in cells)
    assert "Who meets whom" in (tmp_path / "page.html").read_text()
    assert traces(engine) == before


@pytest.mark.parametrize(
    "words",
    [("--a", "eim/apdf", "--b", "apdm/apdf"),
     ("--a", "adm/eif", "--b", "eim/apdf", "--proto", "tcp", "--order", "both"),
     ("--a", "masquerade", "--b", "none", "--order", "b"), ("--a", "rst", "--b", "home", "--proto", "tcp")],
    ids=" ".join,
)  # fmt: skip
def test_any_two_routers_can_be_tried(words, tmp_path):
    done = run_invoke("lab", "punch", *words, "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("punch", "--a", "eim/x"), "filtering=x is not possible"),
        (("punch", "--proto", "sctp"), "--proto sctp is not possible; wanted was udp or tcp"),
        (("punch", "--order", "c"), "--order c is not possible; wanted was both, a or b"),
        (("udp", "--order", "a"), "the lab udp has nothing to choose called order"),
    ],
)
def test_a_choice_that_is_none_is_refused(engine, words, says):
    before = traces(engine)
    done = run_invoke("lab", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert traces(engine) == before


@pytest.mark.parametrize("words", [("--proto", "sctp"), ("-a", "home"), ("--a", "home", "--b", "eim/x")])
def test_half_a_question_is_refused(words):
    assert run_invoke("matrix", *words).returncode == 2
