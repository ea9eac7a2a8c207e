"""A lab that was left up: listened to at every tap and host, changed, and ended by whose it is."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from ipaddress import ip_network

import pytest

from fourtuple.stage import kept, listen, ownership

from ..conftest import CHECKOUT, run_invoke
from .support import FINISH, traces

pytestmark = pytest.mark.live
SEND = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
sock.sendto(sys.argv[2].encode(), (sys.argv[1], 9))
"""


@contextmanager
def left_up(lab):
    """`invoke up LAB`; its instance number."""
    shown = run_invoke("up", lab)
    found = re.search(r"instance (\d+) is up", shown.stdout)
    assert found, shown.stdout + shown.stderr
    try:
        yield found[1]
    finally:
        run_invoke("down", "--instance", found[1])


def heard(engine, image, there, word):
    """Is what a host sends into the network of that tap, or into any of its own, heard by `invoke capture WORD`?"""
    topology = there.topology()
    tap = next((it for it in topology.taps if it.name == word), None)
    host = topology.host(tap.host if tap else word)
    networks = [tap.network] if tap else [network for network, _ in host.interfaces]
    marks = {f"[{word} {network}]": str(ip_network(topology.network(network).subnet).broadcast_address)
             for network in networks} or {f"[{word}]": "127.0.0.1"}  # fmt: skip
    argv = listen.command(listen.Request(engine, image, word, there.lab.instance), terminal=False)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as capture:
        said = [b""]
        while b"listening on" not in said[-1]:
            said.append(capture.stderr.readline())
            assert said[-1], f"the capture of {word} ended: {said}"
        for mark, address in marks.items():
            job = engine.api.exec_create(there.container(host.name), ["python3", "-c", SEND, address, mark])["Id"]
            assert engine.api.exec_start(job) == b""
        capture.send_signal(2)
        packets, _ = capture.communicate(timeout=FINISH)
    return all(mark.encode() in packets for mark in marks)


@pytest.mark.parametrize("lab", ["punch", "multihome", "bind"])
def test_every_tap_and_every_host_can_be_listened_to(engine, image, lab):
    """Several routers and networks with a `_`; hosts with two networks; hosts without one, and who lives with them."""
    before = traces(engine)
    with left_up(lab) as instance:
        there = kept.choose(engine, instance)
        topology = there.topology()
        words = [it.name for it in (*topology.taps, *topology.hosts)]
        assert [word for word in words if not heard(engine, image, there, word)] == []
        wrong = run_invoke("capture", "lann", "--instance", instance)
        assert wrong.returncode == 2
        assert "there is nothing called 'lann' to listen to in this lab" in wrong.stderr
        assert all(word in wrong.stderr for word in words)
    assert traces(engine) == before


def test_a_capture_that_begins_does_not_make_a_lab_look_half_built(engine, image):
    """Or whoever starts a lab at that moment would sweep this one away."""
    with left_up("bind") as instance:
        there = kept.choose(engine, instance)
        labels = {ownership.PROJECT: "fourtuple", ownership.RUN: there.lab.run, ownership.OWNER: there.lab.owner}
        engine.api.create_container(f"fourtuple/node:{image}", ["true"], labels=labels)
        (mine,) = ownership.inventory(engine, there.lab.run)
        assert len(mine.containers) == 4
        assert not mine.half_built
        assert there.lab.run not in [it.run for it in ownership.sweep(engine)]


def test_of_several_routers_one_must_be_named_and_it_must_be_one(engine):
    with left_up("punch") as instance:
        for words, code, says in (
            ((), 2, "the lab punch has 2 routers: router_a, router_b"),
            (("--host", "alice"), 2, "'alice' is no router of the lab punch; its routers: router_a, router_b"),
            (("--host", "router_b"), 0, "router_b is now full-cone"),
        ):
            done = run_invoke("nat.set", "full-cone", *words, "--instance", instance)
            assert done.returncode == code, done.stderr
            assert says in done.stdout + done.stderr
        done = run_invoke("nat.set", "eim/eif addresses=2", "--host", "router_a", "--instance", instance)
        assert done.returncode == 2
        assert "router_a could not become" in done.stderr
        assert "Traceback" not in done.stderr
        done = run_invoke("shell", "lan", "--instance", instance)
        assert done.returncode == 2
        assert "the lab punch has no running host 'lan'; it has: alice, bob, core, router_a" in done.stderr


def test_a_lab_without_a_router_is_told_so(engine):
    with left_up("bind") as instance:
        done = run_invoke("nat.set", "home", "--instance", instance)
        assert (done.returncode, done.stderr) == (2, "the lab bind has no router\n")
        ended = json.loads(run_invoke("down", "--json", "--instance", instance).stdout)
        assert [(it["lab"], it["instance"]) for it in ended] == [("bind", instance)]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be on another machine for a moment")
def test_somebody_elses_lab_is_ended_only_by_its_number(engine):
    def elsewhere(*words):
        argv = ["unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh", sys.executable, "-m", "invoke"]
        return subprocess.run(
            [*argv, *words], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=FINISH
        )

    with left_up("punch") as instance:
        for words in (("down",), ("shell", "alice"), ("capture", "wan"), ("nat.set", "home", "--host", "router_a")):
            done = elsewhere(*words)
            assert done.returncode == 2
            assert "no lab of yours is up\n" in done.stderr
            assert f"instance {instance} (punch, of " in done.stderr
            assert "Choose with --instance." in done.stderr
        assert f"removed punch (instance {instance})" in elsewhere("down", "--instance", instance).stdout
