"""The Docker engine a lab runs on: found as the docker command finds it, refused in a sentence when it will not do."""

from __future__ import annotations

import os
from dataclasses import dataclass

import docker
from docker.context import ContextAPI
from docker.errors import DockerException
from requests.exceptions import RequestException

from ..kit.errors import SetupError

OLDEST = (1, 41)  # Engine 20.10


class NoEngine(SetupError):
    """Nothing answers where an engine was looked for."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A connection to an engine that is new enough, and what it said of itself."""

    api: docker.APIClient
    version: str
    api_version: str
    kernel: str

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()


def connect() -> Engine:
    """Honours DOCKER_HOST, DOCKER_CONTEXT and the current context. SetupError when none answers or it is too old."""
    try:
        api, place = _client()
    except (DockerException, RequestException, OSError) as error:
        why = _short(error)
        if why == "permission denied":
            raise SetupError(
                f"this user may not talk to the Docker engine{_place()}: {why}",
                "Join the group `docker` and log in again, or run as root.",
            ) from None
        raise NoEngine(
            f"no Docker engine answers{_place()}: {why}",
            "Start it, or run `invoke setup` as root on Debian or Ubuntu; `invoke doctor` says more.",
        ) from None
    said = api.version()
    offered = tuple(int(part) for part in said["ApiVersion"].split("."))
    if offered < OLDEST:
        api.close()
        raise SetupError(
            f"the engine at {place} speaks API {said['ApiVersion']}; 1.41 or newer was wanted (Engine 20.10)",
            "Upgrade the engine, or point DOCKER_HOST at a newer one.",
        )
    return Engine(api, said["Version"], said["ApiVersion"], said.get("KernelVersion", "unknown"))


def _client() -> tuple[docker.APIClient, str]:
    if os.environ.get("DOCKER_HOST"):
        settings = docker.utils.kwargs_from_env()
        api = docker.APIClient(version="auto", timeout=60, **settings)
        return api, os.environ["DOCKER_HOST"]
    context = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT") or None)
    if context is None:
        raise DockerException(f"there is no Docker context called {os.environ.get('DOCKER_CONTEXT')!r}")
    api = docker.APIClient(version="auto", timeout=60, base_url=context.Host, tls=context.TLSConfig or False)
    return api, str(context.Host)


def is_elsewhere() -> bool:
    """Was a particular engine chosen, by DOCKER_HOST, DOCKER_CONTEXT or `docker context use`?"""
    if os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT"):
        return True
    current = ContextAPI.get_current_context()
    return current is not None and current.Name != "default"


def _place() -> str:
    if host := os.environ.get("DOCKER_HOST"):
        return f" at {host} (DOCKER_HOST)"
    if context := os.environ.get("DOCKER_CONTEXT"):
        return f" in the context {context!r} (DOCKER_CONTEXT)"
    return ""


def _short(error: Exception) -> str:
    """The last reason of a chain of wrapped ones."""
    words = str(error)
    for known in ("No such file or directory", "Permission denied", "Connection refused", "timed out"):
        if known in words:
            return known.lower()
    return words.splitlines()[0][:160]
