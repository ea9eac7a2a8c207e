"""Forked processes of a driver: what they inherit, what they are given, and what ends with them. All for real."""

import json
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from fourtuple.agents.driver import Driver


@pytest.fixture
def ask():
    driver = Driver("here")

    def ask(call, *args, socket="", process=""):
        request = {"step": "a step", "socket": socket, "call": call, "args": args}
        return driver.handle(json.dumps(request | ({"process": process} if process else {})))

    yield ask
    for child in driver._children.values():
        with suppress(ProcessLookupError):
            child.signal(signal.SIGKILL)
        child.forget()
    for opened in driver._sockets.values():
        opened.close()


@pytest.fixture
def pair(ask):
    """A connection on loopback, whose server side is called `served`."""
    ask("socket", "tcp", socket="listener")
    ask("bind", ["127.0.0.1", 0], socket="listener")
    ask("listen", 4, socket="listener")
    ask("socket", "tcp", socket="client")
    ask("connect", ask("getsockname", socket="listener").result, socket="client")
    ask("accept", "served", socket="listener")


def test_a_child_has_its_parents_sockets_under_its_own_names(ask, pair):
    ask("fork", "child")
    mine, its = ask("identity", socket="served"), ask("identity", socket="child:served", process="child")
    assert its.result["inode"] == mine.result["inode"]
    assert its.result["pid"] != mine.result["pid"]
    assert its.cookie == mine.cookie
    assert its.host == "here/child"


def test_a_killed_child_takes_with_it_what_only_it_had(ask, pair):
    ask("fork", "child")
    ask("close", socket="served")
    ask("settimeout", 0.2, socket="client")
    assert ask("recv", 10, socket="client").error == "ETIMEDOUT"
    ask("kill", "child", int(signal.SIGKILL))
    assert ask("recv", 10, socket="client").result == ""


def test_a_dead_child_is_an_error_and_not_an_exception(ask):
    ask("fork", "child")
    ask("kill", "child", int(signal.SIGKILL))
    assert ask("identity", socket="x", process="child").error == "ESRCH"


def test_a_descriptor_travels_over_a_unix_socket(ask, pair, tmp_path):
    post = str(tmp_path / "post")
    ask("fork", "child")
    ask("socket", "unix", socket="office")
    ask("bind", post, socket="office")
    ask("listen", 1, socket="office")
    ask("socket", "unix", socket="its end", process="child")
    ask("connect", post, socket="its end", process="child")
    ask("accept", "my end", socket="office")
    ask("give", "served", socket="my end")
    ask("take", "taken", socket="its end", process="child")
    given, taken = ask("identity", socket="served"), ask("identity", socket="taken", process="child")
    assert given.result["inode"] == taken.result["inode"]
    ask("send", "from the child", socket="taken", process="child")
    assert ask("recv", 100, socket="client").result == "from the child"


def test_a_copy_is_the_same_socket_by_another_descriptor(ask, pair):
    ask("dup", "copy", socket="served")
    one, other = ask("identity", socket="served").result, ask("identity", socket="copy").result
    assert one["inode"] == other["inode"]
    assert one["descriptor"] != other["descriptor"]
    ask("close", socket="served")
    ask("send", "still here", socket="copy")
    assert ask("recv", 100, socket="client").result == "still here"


def test_a_stopped_child_stands_still_when_the_call_returns(ask):
    ask("fork", "child")
    pid = ask("fork", "other").result
    ask("kill", "other", int(signal.SIGSTOP))
    state = Path(f"/proc/{pid}/status").read_text()
    assert "(stopped)" in state
