"""What live tests need: a picture of everything a run could leave behind, and moments of a run to interrupt it at."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..conftest import CHECKOUT

FINISH = 60.0  # seconds a run may take to end by itself


def traces(engine: Any) -> dict[str, list[str]]:
    """Containers, networks, volumes of the engine, and the host's firewall rules and interfaces, as comparable text."""
    api = engine.api
    volumes = (api.volumes() or {}).get("Volumes") or []
    return {
        "containers": sorted(it["Id"] for it in api.containers(all=True)),
        "networks": sorted(it["Id"] for it in api.networks()),
        "volumes": sorted(it["Name"] for it in volumes),
        "firewall": firewall(),
        "interfaces": sorted(path.name for path in Path("/sys/class/net").glob("*")),
    }


TWICE = "-A FORWARD -j DOCKER-USER"


def firewall() -> list[str]:
    """The host's rules without their counters; empty where only root may read them.

    One of the engine's own is counted once: 20.10, asked for three networks at the same moment, leaves its jump from
    FORWARD to DOCKER-USER there twice until it is started anew.
    """
    if os.geteuid() != 0:
        return []
    done = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False)
    rules = [re.sub(r"\[\d+:\d+\]", "", line).strip() for line in done.stdout.splitlines()]
    rules = [rule for rule in rules if not rule.startswith("#")]
    return [rule for at, rule in enumerate(rules) if rule != TWICE or rule not in rules[:at]]


@contextmanager
def running(*words: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """`invoke WORDS` in the background; killed when the test is over."""
    process = subprocess.Popen(
        [sys.executable, "-m", "invoke", *words],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 -- inherited ignored from a script
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def until_event(engine: Any, kind: str, action: str) -> Callable[[], None]:
    """Begin to watch the engine; call the result to wait until it reports such an event of ours."""
    filters = {"type": kind, "event": action}
    stream = engine.api.events(decode=True, filters=filters)

    def wait() -> None:
        for event in stream:
            if "fourtuple" in str(event["Actor"]["Attributes"].get("name", "")):
                stream.close()
                return

    return wait
