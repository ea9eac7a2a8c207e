"""README's "Play with it", line by line, as a person types it: at a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fourtuple.evidence.capture import read

from ..conftest import CHECKOUT
from ..documented import in_environment
from .support import FINISH

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("image")]


class Terminal:
    """A command at a terminal of its own: what it has printed so far, and a way to type more."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process, self._master = process, master
        self.shown = ""

    def type(self, line: str) -> None:
        os.write(self._master, f"{line}\n".encode())

    def until(self, *words: str) -> str:
        """Read until one of the words, a regular expression, was printed; fails where it ends or takes too long."""
        deadline = time.monotonic() + FINISH
        while not (found := re.search("|".join(words), self.shown)):
            assert self._read(deadline), f"wanted {words}, printed was:\n{self.shown}"
        self.shown = self.shown[found.end() :]
        return found[0]

    def ends(self) -> int:
        """Read to the end; returns the exit code."""
        deadline = time.monotonic() + FINISH
        while self._read(deadline):
            pass
        return self.process.wait(timeout=FINISH)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        try:
            data = os.read(self._master, 65536) if ready else b""
        except OSError:  # the other end is closed
            data = b""
        self.shown += data.decode(errors="replace").replace("\r", "")
        return bool(data)


@contextmanager
def terminal(line: str, place: Path = CHECKOUT) -> Iterator[Terminal]:
    """Type a line at a new terminal; what still runs at the end is interrupted."""
    master, slave = pty.openpty()
    process = subprocess.Popen(["bash", "-c", line], cwd=place, stdin=slave, stdout=slave, stderr=slave,
                               env=os.environ | in_environment(Path(sys.executable).parent) | {"COLUMNS": "200"},
                               start_new_session=True)  # fmt: skip
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        os.close(master)
        process.wait(timeout=FINISH)


def done(line: str) -> str:
    """Type a line and wait until it ends well; returns what it printed."""
    with terminal(line) as typed:
        assert typed.ends() == 0, typed.shown
        return typed.shown


def test_a_network_is_played_with(tmp_path):
    """With --instance wherever it is possible: other labs may be up on this engine."""
    up = re.search(r"instance (\d+) is up", done("invoke up nat"))
    assert up
    number = up[1]
    only, file = f" --instance {number}", tmp_path / "x.pcap"
    client = "python3 -m fourtuple.agents.client udp 198.18.N.10:8000 40000".replace(".N.", f".{number}.")
    try:
        with (
            terminal("invoke shell alice" + only) as alice,
            terminal("invoke shell client1" + only) as client1,
            terminal("invoke capture wan" + only) as text,
            terminal(f"invoke capture wan --file {file}{only}") as capture,
        ):
            alice.type("python3 -m fourtuple.agents.server 8000 &")
            alice.until("echoing UDP and TCP on port 8000")
            for ear in (text, capture):
                ear.until("docker run .*fourtuple.agents.tap")
                ear.until("listening on")
            client1.type(client)
            client1.until(f"the server says: you are 198.18.{number}.2:40000: hello")
            text.until(rf"198\.18\.{number}\.2\.40000 > 198\.18\.{number}\.10\.8000")
            os.killpg(capture.process.pid, signal.SIGINT)
            capture.ends()
            assert f"198.18.{number}.2:40000" in {str(packet.flow.source) for packet in read({"wan": file})["wan"]}

            with terminal("invoke shell router" + only) as router:
                router.type("nft delete table ip fourtuple")
                router.type("nft list tables; echo asked")
                router.until("\nasked")
            client1.type(client)  # the router remembers that flow, and goes on translating it
            client1.until(f"the server says: you are 198.18.{number}.2:40000: hello")
            client1.type(client.replace("40000", "40001"))
            client1.until("no answer from")
            text.until(rf"10\.{number}\.1\.10\.40001 > 198\.18\.{number}\.10\.8000")
    finally:
        assert f"removed nat (instance {number})" in done("invoke down" + only)


def test_a_network_is_brought_up_by_hand():
    """Without Python on this machine."""
    try:
        done("docker compose -f compose/nat.yml up -d")
        done("docker compose -f compose/nat.yml exec -d alice python3 -m fourtuple.agents.server 8000")
        said = done(
            "docker compose -f compose/nat.yml exec client1 "
            "python3 -m fourtuple.agents.client udp 198.18.0.10:8000 40000"
        )
        assert "the server says: you are 198.18.0.2:40000: hello" in said
    finally:
        done("docker compose -f compose/nat.yml down")
