"""Several labs at once, each as a command of its own: what one does, and how it ends, concerns no other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from ..errors import LabError
from ..kit import catalog
from .progress import Progress

AT_ONCE = 3  # on two cores: a lab waits for the engine half of its time


@dataclass(frozen=True, slots=True)
class Sortie:
    """A lab that was run: its name and NAT, how it ended, its run directory ("" where there is none), seconds."""

    lab: str
    nat: str
    code: int
    path: str
    seconds: float
    parts: dict[str, float]
    said: str


def everything() -> list[tuple[str, str]]:
    """Every lab with every NAT it can be given."""
    return [(name, nat) for name in catalog.names() for nat in catalog.find(name).nats]


def run(labs: list[tuple[str, str]], out: Path, tell: Progress, at_once: int = AT_ONCE) -> list[Sortie]:
    """Run these labs, some of them at once, the result in their order. LabError when one leaves no run directory."""
    running: list[subprocess.Popen[str]] = []
    over = threading.Event()
    done: dict[tuple[str, str], Sortie] = {}
    hands = ThreadPoolExecutor(at_once)
    try:
        flying = {hands.submit(_fly, lab, nat, out, running, over): (lab, nat) for lab, nat in labs}
        for future in as_completed(flying):
            done[flying[future]] = future.result()
            tell.note(f"{len(done)} of {len(labs)} labs are done, the last one {future.result().lab}")
    except BaseException:
        over.set()
        hands.shutdown(wait=False, cancel_futures=True)
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)  # each takes away what it made
        raise
    finally:
        hands.shutdown()
    sorties = [done[it] for it in labs]
    for sortie in sorties:
        if not sortie.path:
            raise LabError(f"`invoke lab {sortie.lab}` left no run: {sortie.said}")
    return sorties


def _fly(lab: str, nat: str, out: Path, running: list[subprocess.Popen[str]], over: threading.Event) -> Sortie:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "fourtuple", "lab", lab, "--nat", nat, "--json", "--out", str(out.resolve())],
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running.append(process)
    if over.is_set():  # begun while the others were told to end
        process.send_signal(signal.SIGTERM)
    printed, complained = process.communicate()
    seconds = time.perf_counter() - began
    try:
        said = json.loads(printed)
    except ValueError:
        said = {}
    path, parts = str(said.get("run", "")), dict(said.get("seconds", {}))
    last = complained.strip().splitlines()[-1:] or ["it said nothing"]
    return Sortie(lab, nat, process.returncode, path, seconds, parts, last[0])
