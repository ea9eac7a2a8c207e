"""Two hosts meet through a rendezvous server, over UDP or TCP, each in a process of its own so that both do it at once.

By hand, in alice and then in bob, with the server running:
python3 -m labs.agents.puncher udp alice bob 198.18.0.10:4747 40000 asks
python3 -m labs.agents.puncher udp bob alice 198.18.0.10:4747 40000
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from typing import Any

from . import child, punch_tcp, punch_udp

_MEET = {"udp": punch_udp.meet, "tcp": punch_tcp.meet}
PATIENCE = 10.0  # seconds until a puncher that does not end is ended
_children: dict[int, int] = {}  # the pipe of each


def start(transport: str, said: dict[str, Any]) -> int:
    """Meet in a forked process; returns its pid, `report` waits for what came of it."""
    ours, theirs = os.pipe()

    def tell() -> None:
        os.close(ours)
        os.write(theirs, json.dumps(_MEET[transport](said)).encode())

    meeting = child.begin(tell)
    os.close(theirs)
    _children[meeting] = ours
    return meeting


def report(meeting: int) -> dict[str, Any]:
    """What came of a meeting; TimeoutError when it does not end, ChildProcessError when it failed."""
    with os.fdopen(_children.pop(meeting), "rb", buffering=0) as pipe:
        if not select.select([pipe], [], [], PATIENCE)[0]:
            os.kill(meeting, signal.SIGKILL)
        said = pipe.read()
    _, status = os.waitpid(meeting, 0)
    if os.WIFSIGNALED(status):
        raise TimeoutError(f"the puncher did not end within {PATIENCE:.0f} s")
    if not said:
        raise ChildProcessError("the puncher failed; what it said of it is in the log")
    told: dict[str, Any] = json.loads(said)
    return told


if __name__ == "__main__":
    if len(sys.argv) < 6:
        raise SystemExit("usage: puncher udp|tcp NAME WANTED SERVER:PORT PORT [asks]")
    transport, name, wanted, server, port, *more = sys.argv[1:]
    plan = {"name": name, "wanted": wanted, "server": server, "port": int(port), "asks": bool(more)}
    print(json.dumps(_MEET[transport](plan), indent=1))
