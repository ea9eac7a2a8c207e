"""A Docker engine of the tests' own, beside the machine's: to be frozen, killed and started anew.

In network and mount namespaces of its own, with directories of its own; nothing of the machine's engine is touched.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fourtuple.stage.engine import Engine, connect
from fourtuple.stage.setup import came_up, forget_dead

NEEDED = ("dockerd", "containerd", "runc", "iptables", "unshare", "mount")
CGROUPS_STAY_SEEN = """
mount --rbind /sys/fs/cgroup "$1/cgroup" && mount -t sysfs sysfs /sys && mount --rbind "$1/cgroup" /sys/fs/cgroup
shift; exec "$@"
"""  # a sysfs of the new network namespace, without which there are no bridges; it hides the cgroups


def missing() -> str:
    """Why such an engine cannot be had here, or nothing."""
    if os.geteuid() != 0:
        return "only root can start a second engine"
    lacking = [name for name in NEEDED if not shutil.which(name)]
    return f"a second engine needs {', '.join(lacking)}" if lacking else ""


class OwnEngine:
    """An engine that can be treated badly."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.host = f"unix://{home}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        (home / "cgroup").mkdir()

    def start(self) -> None:
        """Start it, also anew; returns when it is ready."""
        for file, name in (
            (self.home / "pid", "dockerd"),
            (self.home / "exec/containerd/containerd.pid", "containerd"),
        ):
            forget_dead(file, name)
        (self.home / "ready").unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, (self.home / "log").open("ab") as log:
            ready.bind(f"{self.home}/ready")
            self._process = subprocess.Popen(
                ["unshare", "--net", "--mount", "sh", "-c", CGROUPS_STAY_SEEN, "sh", str(self.home), "dockerd",
                 "--data-root", f"{self.home}/data", "--exec-root", f"{self.home}/exec",
                 "--pidfile", f"{self.home}/pid", "--host", self.host],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=os.environ | {"NOTIFY_SOCKET": f"{self.home}/ready"},
            )  # fmt: skip
            assert came_up(self._process, ready), (self.home / "log").read_text()[-500:]

    def send(self, number: int) -> None:
        """Send its daemon a signal; returns when it has ended, where the signal ends it."""
        assert self._process
        containerd = os.pidfd_open(int((self.home / "exec/containerd/containerd.pid").read_text()))
        try:
            self._process.send_signal(number)
            if number in (signal.SIGKILL, signal.SIGTERM):
                self._process.wait(20)
                if not select.select([containerd], [], [], 5)[0]:  # it ends with its dockerd, a moment later
                    signal.pidfd_send_signal(containerd, signal.SIGKILL)
                    select.select([containerd], [], [], 5)
        finally:
            os.close(containerd)

    def connect(self) -> Engine:
        """A connection to it."""
        before = os.environ.get("DOCKER_HOST")
        os.environ["DOCKER_HOST"] = self.host
        try:
            return connect()
        finally:
            del os.environ["DOCKER_HOST"]
            if before is not None:
                os.environ["DOCKER_HOST"] = before

    def end(self) -> None:
        """End it, and what of it was left running when it was killed."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self.send(signal.SIGTERM)
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"{self.home}/exec/".encode() in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)


@contextmanager
def own_engine() -> Iterator[OwnEngine]:
    """Such an engine, running."""
    home = Path(tempfile.mkdtemp(prefix="fourtuple-"))  # a short path: it goes into names of sockets
    engine = OwnEngine(home)
    try:
        engine.start()
        yield engine
    finally:
        engine.end()
        shutil.rmtree(home, ignore_errors=True)
