"""Meeting through a rendezvous on the real engine: who meets whom, what goes wrong, and guests who misbehave."""

from __future__ import annotations

import json

import pytest

from fourtuple.agents.meet_load import ABUSES
from fourtuple.kit import introduced
from fourtuple.kit.homes import PEERS
from fourtuple.net import meeting
from fourtuple.net.endpoint import Protocol
from fourtuple.stage import matrix
from fourtuple.stage.progress import Silent

from ..conftest import run_invoke
from .support import traces

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


def test_who_calls_and_who_only_forwards_keeps_track_of_no_connection(homes):
    """The server's kernel does, since nothing was done about the rules that the engine puts into a container."""
    assert not [it.surprises for it in homes.play([Protocol.TCP], ("home", "home"), Silent()) if it.surprises]
    counted = {}
    for host in ("alice", "bob", "core", "server"):
        counted[host] = int(homes._scene.run(host, "cat", "/proc/sys/net/netfilter/nf_conntrack_count"))
    assert counted.pop("server") > 0, "the positive control"
    assert counted == {"alice": 0, "bob": 0, "core": 0}


def meet(homes, port, transport="udp", **changed):
    """What alice's puncher reports of a meeting with a bob who may be missing."""
    scene, number = homes._scene, port
    plan = {"name": f"alice-{number}", "wanted": f"bob-{number}", "server": str(homes._server), "port": port,
            "asks": True, "hope": 0.3} | changed  # fmt: skip
    return scene.act("alice", "puncher.report", scene.act("alice", "puncher.start", transport, plan))


@pytest.mark.parametrize(
    ("transport", "changed", "why"),
    [
        ("udp", {}, "the server refused ASK: UNKNOWN"),
        ("tcp", {}, "the server refused ASK: UNKNOWN"),
        ("udp", {"server": "198.18.255.1:4747"}, "the server did not answer HELLO"),
        ("udp", {"asks": False}, "nobody introduced bob"),
        ("udp", {"forges": "record"}, "the server refused REGISTER: SIGNATURE"),
        ("tcp", {"forges": "record"}, "the server refused REGISTER: SIGNATURE"),
    ],
)
def test_what_keeps_a_peer_from_meeting_is_said(homes, transport, changed, why):
    told = meet(homes, 41000 + len(why), transport, **changed)
    assert told["outcome"] == "no answer"
    assert told["why"].startswith(why)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_name_belongs_to_the_key_that_registered_it(homes, transport):
    owner = {"name": "owned", "asks": False}
    assert meet(homes, 42000, transport, **owner)["why"] == "nobody introduced bob-42000"
    assert meet(homes, 42001, transport, **owner, key="another")["why"] == "the server refused REGISTER: TAKEN"
    assert meet(homes, 42002, transport, **owner)["why"] == "nobody introduced bob-42002"


def test_a_registration_that_has_expired_is_nobodys(homes):
    """bob registers for a second, and waits for longer than that in vain: then nobody knows him."""
    plan = {"name": "brief", "wanted": "nobody", "server": str(homes._server), "port": 42010, "lifetime": 1,
            "hope": 1.2}  # fmt: skip
    scene = homes._scene
    scene.act("bob", "puncher.report", scene.act("bob", "puncher.start", "udp", plan | {"asks": False}))
    assert meet(homes, 42011, wanted="brief")["why"] == "the server refused ASK: UNKNOWN"
    taken = meet(homes, 42012, name="brief", key="another", asks=False)
    assert taken["why"].startswith("nobody introduced"), "its name is free again"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_who_cannot_sign_as_the_one_that_was_introduced_is_not_met(homes, transport):
    """bob's checks come, and are signed by another key than the server has told alice."""
    for router in ("router_a", "router_b"):
        homes._become(router, "none")
    plans = {"bob": {"forges": "checks"}}
    started = introduced.begin(homes._scene, homes._server, PEERS, Protocol(transport), 42020, plans, again=True)
    (told,) = introduced.conduct(homes._scene, [started])
    assert (told["alice"]["outcome"], told["alice"]["heard"]) == ("no answer", 0)
    assert (told["bob"]["outcome"], told["bob"]["heard"] > 0) == ("no answer", True), "the way between them is open"


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
    said = json.loads(done.stdout)
    cells = said["meetings"]
    assert all(it.startswith("sha256:") for it in said["provenance"]["images"].values())
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


@pytest.mark.parametrize("lab", ["predict", "birthday"])
def test_ports_are_guessed_over_tcp_as_well(lab, tmp_path):
    done = run_invoke("lab", lab, "--proto", "tcp", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("predict", "--proto", "icmp"), "--proto icmp is not possible; wanted was udp or tcp"),
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
