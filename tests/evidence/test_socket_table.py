"""Rows of the kernel's socket table, as ss of Debian 12 prints them."""

from dataclasses import replace

import pytest

from fourtuple.evidence import rundir
from fourtuple.evidence.socket_table import COMMAND, on_port, rows, tables
from fourtuple.net.endpoint import Endpoint

from ..conftest import RECORDINGS

TABLE = """\
LISTEN    6      5            0.0.0.0:8082       0.0.0.0:*     ino:3781597 sk:83a0 cgroup:unreachable:27754 <->
LISTEN    0      8         0.0.0.0%lo:9111       0.0.0.0:*     ino:3781598 sk:83a1 cgroup:unreachable:27754 <->
ESTAB     19     0        10.254.0.10:8080   10.254.0.21:56686 ino:0 sk:836c cgroup:unreachable:1 <->
TIME-WAIT 0      0        10.254.0.10:8110   10.254.0.21:20110 ino:0 sk:1001
"""


@pytest.fixture
def event():
    facts = rundir.load(RECORDINGS / "backlog").facts
    return replace(next(it for it in facts.events if it.args == COMMAND), result=[0, TABLE])


def test_each_row_is_read(event):
    listening, on_device, established, waiting = rows(event)
    assert (listening.state, listening.waiting, listening.room, listening.remote) == ("LISTEN", 6, 5, None)
    assert on_device.local == Endpoint("0.0.0.0", 9111)
    assert (established.waiting, established.inode, established.cookie) == (19, 0, 0x836C)
    assert established.remote == Endpoint("10.254.0.21", 56686)
    assert waiting.state == "TIME-WAIT"


def test_rows_are_picked_by_port_and_state(event):
    table = rows(event)
    assert [it.state for it in on_port(table, 8080)] == ["ESTAB"]
    assert on_port(table, 8080, "LISTEN") == []


def test_what_is_no_row_is_refused(event):
    with pytest.raises(ValueError, match="not a row of the socket table"):
        rows(replace(event, result=[0, "ss: command not found"]))


def test_the_tables_of_a_run_are_in_order():
    facts = rundir.load(RECORDINGS / "backlog").facts
    times = [event.monotonic_ns for _, event in tables(facts, "srv")]
    assert times == sorted(times)
    assert len(times) > 3
