"""A busy machine, made on purpose: containers of a command are frozen for 50 to 500 ms, one after the other, at random.

    python -m tests.live.stalls 25 invoke lab nat      # 25 times; the exit codes, and how often something was frozen

A verdict that changes under this depended on time. Only containers of the command's own processes are frozen, and each
is woken again, also when this is interrupted.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

from docker.errors import APIError

from fourtuple.stage.engine import Engine, connect
from fourtuple.stage.ownership import OWNER

SHORTEST, LONGEST, PAUSE = 0.05, 0.5, 0.2  # seconds frozen, and the longest time between two


class Stalls:
    """While this lasts, containers owned by a process or its children are frozen again and again."""

    def __init__(self, engine: Engine, pid: int) -> None:
        self._engine, self._pid = engine, pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.count = 0

    def __enter__(self) -> Stalls:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(random.uniform(0, PAUSE)):
            running = self._engine.api.containers(filters={"label": OWNER, "status": "running"})
            mine = [it["Id"] for it in running if self._owns(it["Labels"][OWNER])]
            with suppress(APIError):  # it ended meanwhile
                if mine:
                    self._freeze(random.choice(mine))

    def _freeze(self, container: str) -> None:
        self._engine.api.pause(container)
        try:
            self._over.wait(random.uniform(SHORTEST, LONGEST))
            self.count += 1
        finally:
            self._engine.api.unpause(container)

    def _owns(self, owner: str) -> bool:
        """Is the owner this process, or a child of it?"""
        word = owner.rpartition("/")[0].rpartition("/")[2]
        pid = int(word) if word.isdecimal() else 0
        while pid > 1:
            if pid == self._pid:
                return True
            try:
                pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                return False
        return False


def run(engine: Engine, *argv: str, **options: object) -> tuple[subprocess.CompletedProcess[str], int]:
    """Run a command while its containers are stalled: how it ended, and how many stalls there were."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]
    with Stalls(engine, process.pid) as stalls:
        printed, complained = process.communicate()
    return subprocess.CompletedProcess(argv, process.returncode, printed, complained), stalls.count


def _main(times: int, argv: list[str]) -> None:
    engine, codes = connect(), Counter[int]()
    for _ in range(times):
        done, count = run(engine, *argv)
        codes[done.returncode] += 1
        if done.returncode:
            print(done.stdout, done.stderr, sep="\n")  # noqa: T201
        print(f"exit code {done.returncode}, {count} stalls", file=sys.stderr, flush=True)  # noqa: T201
    print(" ".join(argv), dict(codes))  # noqa: T201


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
