"""Making a machine ready: an engine that answers, Compose v2, the lab's image. Does only what is missing."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from ..errors import SetupError
from . import apt, compose, images
from .engine import Engine, NoEngine, connect, is_elsewhere
from .progress import Progress

PLUGINS = Path("/usr/local/lib/docker/cli-plugins")
NEWER_SUITES = ("trixie", "sid")  # bookworm's own docker-compose is version 1
START_SECONDS = 60.0
PID_FILES = ((Path("/run/docker.pid"), "dockerd"), (Path("/run/docker/containerd/containerd.pid"), "containerd"))


def setup(tell: Progress) -> list[str]:
    """Make the machine ready; returns a line for each thing that is. SetupError says what a person has to do."""
    with _engine(tell) as engine:
        return [
            f"Docker Engine {engine.version} (API {engine.api_version})",
            f"Docker Compose {_compose(tell)}",
            f"image {images.NAME}:{images.ensure(engine, tell)}",
        ]


def _engine(tell: Progress) -> Engine:
    """An engine that answers; installed and started where none does and we may."""
    try:
        return connect()
    except NoEngine as nothing_answers:
        elsewhere = is_elsewhere()
        if elsewhere or not apt.usable():
            raise SetupError(
                nothing_answers.message,
                "Start the engine this names, or unset DOCKER_HOST and DOCKER_CONTEXT, or `docker context use default`."
                if elsewhere
                else "Install and start Docker Engine 20.10 or newer with Compose v2 (https://docs.docker.com/engine/install);"
                " on Debian or Ubuntu `invoke setup` does it when run as root.",
            ) from None
    if not shutil.which("dockerd"):
        packages = ["docker.io"]
        if apt.candidate("docker-cli"):
            packages.append("docker-cli")
        apt.install(packages, "to run the containers", tell)
    tell.announce("starting the Docker engine")
    _start_engine()
    return connect()


def _start_engine() -> None:
    """Start dockerd and return when it is ready. SetupError with the end of its log when it does not get there."""
    if Path("/run/systemd/system").is_dir():
        started = subprocess.run(
            ["systemctl", "enable", "--now", "docker"], capture_output=True, text=True, check=False
        )
        if started.returncode:
            raise SetupError(f"systemd could not start docker: {started.stderr.strip()}", "See `journalctl -u docker`.")
        return
    for pid_file, name in PID_FILES:
        forget_dead(pid_file, name)
    log = Path("/var/log/fourtuple-dockerd.log")
    with tempfile.TemporaryDirectory(prefix="fourtuple-") as place:
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with ready, log.open("ab") as output:
            ready.bind(f"{place}/notify")
            engine = subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=os.environ | {"NOTIFY_SOCKET": f"{place}/notify"},  # dockerd says READY=1 (sd_notify(3))
            )
            if not came_up(engine, ready):
                end = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise SetupError(f"dockerd did not come up within {START_SECONDS:.0f} s: {end}", f"See {log}.")


def came_up(engine: subprocess.Popen[bytes], ready: socket.socket) -> bool:
    """Wait until dockerd says so, ends, or has had its time."""
    deadline = time.monotonic() + START_SECONDS
    ended = os.pidfd_open(engine.pid)
    try:
        while (left := deadline - time.monotonic()) > 0:
            heard, _, _ = select.select([ready.fileno(), ended], [], [], left)
            if ready.fileno() in heard and b"READY=1" in ready.recv(4096):
                return True
            if ended in heard:
                return False
        return False
    finally:
        os.close(ended)


def forget_dead(pid_file: Path, name: str) -> None:
    """Remove the pid file of a program that was killed.

    dockerd takes whatever has that number now, even a zombie, for the engine or containerd that is still running, and
    waits for it in vain.
    """
    try:
        stat = Path(f"/proc/{int(pid_file.read_text())}/stat").read_text()
        state = stat.rpartition(")")[2].split()[0]
        if f"({name})" in stat and state not in "ZX":
            return
    except (OSError, ValueError):
        pass
    pid_file.unlink(missing_ok=True)


def _compose(tell: Progress) -> str:
    if version := compose.version():
        return version
    if not apt.usable():
        trouble = compose.trouble()
        raise SetupError(
            trouble.message if trouble else "`docker compose` works now and did not a moment ago",
            "Install the docker-compose-plugin package (https://docs.docker.com/compose/install), or run as root.",
        )
    packaged = [name for name in ("docker-compose-v2", "docker-compose-plugin") if apt.candidate(name)]
    if (apt.candidate("docker-compose") or "1").startswith("2"):
        packaged.append("docker-compose")
    if packaged:
        apt.install(packaged[:1], "for Compose v2", tell)
    else:
        _unpack_compose(tell)
    if version := compose.version():
        return version
    raise SetupError("`docker compose` still does not work after it was installed", "Try `docker compose version`.")


def _unpack_compose(tell: Progress) -> None:
    """Take Compose v2 out of a newer suite's package: it needs nothing but the C library this one has too."""
    for suite in NEWER_SUITES:
        tell.announce(f"taking Compose v2 from the package of {suite}")
        with apt.newer_suite(suite) as (place, options):
            steps = (
                ["apt-get", *options, "update", "-qq"],
                ["apt-get", *options, "download", "docker-compose"],
            )
            if any(apt.run_showing(step, tell, os.environ, cwd=place) for step in steps):
                continue
            (package,) = place.glob("docker-compose_*.deb")
            if apt.run_showing(["dpkg", "-x", str(package), str(place / "x")], tell, os.environ):
                continue
            PLUGINS.mkdir(parents=True, exist_ok=True)
            plugin = next((place / "x").rglob("cli-plugins/docker-compose"))
            shutil.copy2(plugin, PLUGINS / "docker-compose")
            return
    raise SetupError(
        f"Compose v2 was wanted, and neither {' nor '.join(NEWER_SUITES)} of your mirror has it",
        "Install the docker-compose-plugin package by your own means.",
    )
