"""Docker Compose: it resolves a topology's file and creates what that describes; everything after is the engine's.

Compose is the owner of the file's meaning. Containers are started, driven and removed through the engine's API, which
can be done in parallel and before the first packet is lost.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from .. import places
from ..errors import SetupError
from . import ownership
from .engine import Engine
from .signals import undisturbed

FILES = places.of("compose")
PATIENCE = 5.0  # seconds an interrupted Compose may go on creating
CREATION = 120.0  # ... and one that is not, on however busy a machine
ANSWER = 30.0  # ... and a program that is asked for its version
INSTANCES = range(1, 256)  # 0 is for `docker compose up` by hand
_NO_PLUGIN = ("is not a docker command", "unknown command", "unknown flag", "unknown shorthand flag")
PLUGINS = tuple(Path("/usr") / part / "docker/cli-plugins" for part in ("local/lib", "local/libexec", "lib", "libexec"))
_TAKEN = "pool overlaps"  # what every engine says when somebody else was faster


@dataclass(frozen=True, slots=True)
class Call:
    """A compose file with the variables that go into it."""

    file: str
    variables: tuple[tuple[str, str], ...]
    taps: bool = True

    def resolve(self) -> dict[str, Any]:
        """What `docker compose config` makes of the file."""
        resolved: dict[str, Any] = json.loads(_compose(self, "config", "--format", "json"))
        return resolved

    def create(self) -> None:
        """Create networks and containers, started by nobody yet. SubnetTaken when another lab has the subnet."""
        _compose(self, "create", "--no-build")


class SubnetTaken(SetupError):
    """Another network of the engine overlaps; another instance number may be free."""


def free_instances(engine: Engine) -> list[int]:
    """Instance numbers that no lab has (one without networks has no other sign of it) and whose subnets (10.I.0.0/16
    and 198.18.I.0/24) no network of the engine overlaps, shuffled so that labs which start together seldom choose the
    same one."""
    labs = engine.api.containers(all=True, filters={"label": ownership.INSTANCE})
    taken_numbers = {it["Labels"][ownership.INSTANCE] for it in labs}
    used = [
        ip_network(config["Subnet"])
        for network in engine.api.networks()
        for config in (network.get("IPAM") or {}).get("Config") or ()
        if "." in config.get("Subnet", "")
    ]
    free = [
        number
        for number in INSTANCES
        if str(number) not in taken_numbers
        and not any(subnet.overlaps(taken) for subnet in _subnets(number) for taken in used)
    ]
    if not free:
        raise SetupError(
            "no subnet is free for a lab: every 10.I.0.0/16 with its 198.18.I.0/24 overlaps a network of this engine",
            "Remove some: `invoke down`, `invoke sweep`, `docker network prune`.",
        )
    random.shuffle(free)
    return free


def _subnets(number: int) -> tuple[Any, Any]:
    return ip_network(f"10.{number}.0.0/16"), ip_network(f"198.18.{number}.0/24")


def version() -> str | None:
    """Version of the Compose v2 plugin, or None where `docker compose` does not work."""
    return _version()[0]


def _version() -> tuple[str | None, str]:
    """The version, or None and why there is none."""
    printed, complaint = _asked("docker", "compose", "version", "--short")
    said = printed.strip().removeprefix("v")
    found = said[:1].isdecimal() and not said.startswith("1.")
    return (said, "") if found else (None, complaint or f"it says it is version {said or '(none)'}")


def trouble() -> SetupError | None:
    """Why `docker compose` does not work, if so: there is no such plugin, or there is one and it does not start."""
    found, complaint = _version()
    if found:
        return None
    wanted = "Docker Compose v2 was wanted as `docker compose`, and"
    limits = "Try `docker compose version`; where memory or processes are limited, see `ulimit -a`."
    if not any(words in complaint.lower() for words in _NO_PLUGIN):
        return SetupError(f"{wanted} it does not start: {_telling_line(complaint)}", limits)
    home = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
    for plugin in (place / "docker-compose" for place in (home, *PLUGINS)):
        if os.access(plugin, os.X_OK):  # docker says "unknown command" of one that crashed, too
            _, crash = _asked(str(plugin), "docker-cli-plugin-metadata")
            why = f"does not start: {_telling_line(crash)}" if crash else "is not taken by this docker command"
            return SetupError(f"{wanted} its plugin {plugin} {why}", limits)
    return SetupError(
        f"{wanted} this docker command has no such plugin",
        "Run `invoke setup` as root, or install the compose plugin; the old `docker-compose` (v1) does not do.",
    )


def _asked(*argv: str) -> tuple[str, str]:
    """What a short question to a program printed, and why it failed, or nothing."""
    try:
        asked = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False, timeout=ANSWER)
    except OSError as error:
        return "", error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return "", f"it did not answer within {ANSWER:.0f} s"
    if asked.returncode == 0:
        return asked.stdout, ""
    return "", asked.stderr.strip() or f"it ended with code {asked.returncode}"


def _telling_line(errors: str) -> str:
    """The line of a complaint that says what is wrong: of a Go program that crashed the first, else the last."""
    lines = errors.strip().splitlines() or ["it said nothing"]
    return next((line for line in lines if line.startswith(("runtime", "fatal error"))), lines[-1])


def _compose(call: Call, *words: str) -> str:
    """Run `docker compose`; in a session of its own, so that Ctrl-C lets it finish what it is creating."""
    profile = ["--profile", "taps"] if call.taps else []
    argv = ["docker", "compose", "--ansi", "never", "-f", str(FILES / f"{call.file}.yml"), *profile, *words]
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=_environment() | dict(call.variables),
            start_new_session=True,
        )
    except FileNotFoundError:
        raise SetupError("the `docker` command was not found", "Run `invoke setup` as root, or install it.") from None
    try:
        output, errors = process.communicate(timeout=CREATION)
    except subprocess.TimeoutExpired:
        _let_finish(process)
        raise SetupError(
            f"Docker Compose was asked to {words[0]} and did not end within {CREATION:.0f} s",
            "Does the engine answer? See `invoke doctor` and the engine's log.",
        ) from None
    except BaseException:
        with undisturbed():
            _let_finish(process)
        raise
    if process.returncode == 0:
        return output
    raise _explained(errors)


def _environment() -> dict[str, str]:
    """This process's own, without Compose's variables: COMPOSE_PROJECT_NAME would put two labs into one project."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}


def _let_finish(process: subprocess.Popen[str]) -> None:
    """Wait for what it is creating, so that it can be removed; a Compose that does not end is ended."""
    try:
        process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _explained(errors: str) -> SetupError:
    """Compose's complaint, as one sentence and what to do."""
    last = _telling_line(errors)
    if _TAKEN in errors.lower():
        return SubnetTaken(f"the subnet was taken meanwhile: {last}", "Run it again.")
    if why := trouble():
        return why
    if "o such image" in errors:
        return SetupError(f"an image of the lab is missing: {last}", "Build it with `invoke images`.")
    return SetupError(f"Docker Compose could not create the lab: {last}", "See `invoke doctor`.")
