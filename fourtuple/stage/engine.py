"""The Docker engine a lab runs on: found as the docker command finds it, refused in a sentence when it will not do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import IncompleteRead, RemoteDisconnected
from json import JSONDecodeError

import docker
from docker.context import ContextAPI
from docker.context.config import get_current_context_name
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException, Timeout
from urllib3.exceptions import TimeoutError as HTTPTimeout

from ..errors import SetupError

OLDEST = (1, 41)  # Engine 20.10
ANSWER = 8.0  # seconds an engine may take to say its version: a busy one needs one or two
REQUEST = 60  # ... and for whatever else it is asked
PROBE = 3.0  # ... and to say that it is there, before something is removed
TIMED_OUT = "timed out"


class NoEngine(SetupError):
    """Nothing answers where an engine was looked for."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A connection to an engine that is new enough, and what it said of itself."""

    api: docker.APIClient
    version: str
    api_version: str
    kernel: str

    def probe(self) -> str:
        """Why it does not answer right now; nothing where it does."""
        try:
            self.api.get(f"{self.api.base_url}/_ping", timeout=PROBE).raise_for_status()
        except (RequestException, OSError) as error:
            return reason(error)
        return ""

    @contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """Meanwhile no request may take longer."""
        before, self.api.timeout = self.api.timeout, seconds
        try:
            yield
        finally:
            self.api.timeout = before

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()


def connect() -> Engine:
    """Honours DOCKER_HOST, DOCKER_CONTEXT and the current context. SetupError when none answers or it is too old."""
    try:
        api, place = _client()
        said = api.version()
        api.timeout = REQUEST
    except (DockerException, RequestException, OSError, ValueError) as error:  # the last of a port that is no number
        why = reason(error)
        if why == "permission denied":
            raise SetupError(
                f"this user may not talk to the Docker engine{_place()}: {why}",
                "Join the group `docker` and log in again, or run as root.",
            ) from None
        if why == TIMED_OUT:
            raise SetupError(
                f"the Docker engine{_place()} does not answer: it was asked for its version and said nothing "
                f"within {ANSWER:.0f} s",
                "It may be stopped or overloaded: look at its log, and start it anew if need be.",
            ) from None
        raise NoEngine(
            f"no Docker engine answers{_place()}: {why}",
            "Start it, or run `invoke setup` as root on Debian or Ubuntu; `invoke doctor` says more.",
        ) from None
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
        api = docker.APIClient(version="auto", timeout=ANSWER, **settings)
        return api, os.environ["DOCKER_HOST"]
    context = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT") or None)
    if context is None:
        name = os.environ.get("DOCKER_CONTEXT") or get_current_context_name()
        raise DockerException(f"there is no Docker context called {name!r}")
    api = docker.APIClient(version="auto", timeout=ANSWER, base_url=context.Host, tls=context.TLSConfig or False)
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


def reason(error: BaseException) -> str:
    """Why a call to the engine failed, in words: what the engine or the system said, not the exceptions around it."""
    if isinstance(error, APIError):
        return str(error.explanation or error.response.reason)
    chain = list(_wrapped(error))
    for inner in reversed(chain):
        if isinstance(inner, TimeoutError | Timeout | HTTPTimeout):
            return TIMED_OUT
        if isinstance(inner, RemoteDisconnected | IncompleteRead):
            return "it closed the connection"
        if isinstance(inner, JSONDecodeError):
            return "what answers there does not speak as an engine does"
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror.lower()
    return (str(chain[-1]).splitlines() or [type(error).__name__])[0][:160]


def refusal(error: BaseException) -> str:
    """The sentence about a call to the engine that failed."""
    if isinstance(error, APIError):
        return f"the engine refused: {reason(error)}"
    return f"the connection to the engine broke: {reason(error)}"


def _wrapped(error: BaseException) -> Iterator[BaseException]:
    """An exception, and what it was made from, outermost first; libraries keep it in several places."""
    yield error
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    inside = [it for it in (*error.args, getattr(error, "reason", None), before) if isinstance(it, BaseException)]
    for it in inside[:1]:
        yield from _wrapped(it)
