"""A topology brought to life: created by Compose, attached, started in parallel, removed by label."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from docker.errors import APIError
from requests.exceptions import RequestException

from ..errors import SetupError
from ..evidence.topology import Topology
from ..report import provenance
from . import compose, ownership
from .engine import Engine
from .hands import hands
from .live_scene import Node
from .signals import undisturbed
from .stream import Stream

PATIENCE = 5.0  # seconds for what prepares a host to end


def version() -> str:
    """Fourtuple's own."""
    try:
        return metadata.version("fourtuple")
    except metadata.PackageNotFoundError:
        return provenance.UNKNOWN


def new_run() -> str:
    """A name for a run: when, and four random digits."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


class Stage:
    """The containers and networks of one run. Whoever builds it removes it, also when building failed."""

    def __init__(
        self,
        engine: Engine,
        file: str,
        run: str,
        nat: str,
        image: str,
        keep: bool = False,
        taps: bool = True,
        box: str = "",
        lab: str = "",
    ) -> None:
        self.engine = engine
        self.run = run
        self._file = file
        self._taps = taps
        self._variables = {
            "FOURTUPLE_LAB": lab or file,
            "FOURTUPLE_RUN": run,
            "FOURTUPLE_OWNER": (ownership.KEPT if keep else "") + ownership.owner_of_this_process(),
            "FOURTUPLE_USER": ownership.user_of_this_process() if keep else "",
            "FOURTUPLE_CREATED": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "FOURTUPLE_SUFFIX": f"-{run[-4:]}",
            "FOURTUPLE_IMAGE": image,
            "NAT": nat,
            "BOX": box,
        }
        self.instance = 0
        self.config: dict[str, Any] = {}
        self.topology = Topology("", (), (), ())
        self.containers: dict[str, str] = {}
        self.images: dict[str, str] = {}  # the id of each image by its name
        self.began = datetime.now(UTC).isoformat(timespec="seconds")
        self.streams: dict[str, Stream] = {}
        self.prepared: dict[str, str] = {}  # hosts that were to be prepared, and why one was not

    def build(self) -> None:
        """Create everything on free subnets. SetupError when that cannot be; then nothing of it is left."""
        tries = compose.free_instances(self.engine)[:5]
        for number in tries:
            variables = self._variables | {"FOURTUPLE_INSTANCE": str(number)}
            call = compose.Call(self._file, tuple(variables.items()), self._taps)
            try:
                with hands(1) as hand:
                    resolved = hand.submit(call.resolve)
                    call.create()
                self.instance, self.config = number, resolved.result()
                break
            except compose.SubnetTaken:
                self.remove()
                if number == tries[-1]:
                    raise
        self.topology = Topology.from_compose(self.config)
        mine = self.engine.api.containers(all=True, filters={"label": f"{ownership.RUN}={self.run}"})
        self.containers = {it["Labels"]["com.docker.compose.service"]: it["Id"] for it in mine}
        self.images = {it["Image"]: it["ImageID"] for it in mine}
        missing = sorted(set(self.config["services"]) - set(self.containers))
        if missing:
            raise SetupError(f"Docker Compose did not create {', '.join(missing)}", "See `invoke doctor`.")

    def attach(self) -> None:
        """Listen to every host and tap, before it says anything."""
        for service in (*(host.name for host in self.topology.hosts), *(tap.service for tap in self.topology.taps)):
            if service in self.containers:
                self.streams[service] = Stream(self.engine, self.containers[service])

    def start(self) -> None:
        """Start all: a host first, then what prepares it, then what shares its network namespace; last, who sees
        another one's processes."""

        topology = self.topology

        def start_chain(host: str) -> None:
            lodgers = [it.name for it in topology.hosts if it.lives_with == host]
            for service in (host, *lodgers, *(tap.service for tap in topology.taps if tap.host == host)):
                if service in self.containers and not starting.over:
                    try:
                        self.engine.api.start(self.containers[service])
                    except APIError:
                        self._died(host)
                        raise
                if service == host:
                    for helper in (it for it in topology.helpers if it.host == host):
                        self.prepared[host] = self._prepare(helper.service)

        late = {name for name, spec in self.config["services"].items() if "pid" in spec}
        own = [host.name for host in topology.hosts if not host.lives_with]
        with hands() as starting:
            list(starting.map(start_chain, [host for host in own if host not in late]))
            list(starting.map(start_chain, [host for host in own if host in late]))

    def _prepare(self, helper: str) -> str:
        """Let what prepares a host do that; returns why it could not, or nothing. The run goes on without it."""
        api, container = self.engine.api, self.containers[helper]
        try:
            api.start(container)
            code = api.wait(container, timeout=PATIENCE)["StatusCode"]
            said = api.logs(container, tail=1).decode(errors="replace").strip() if code else ""
        except APIError as refused:
            return f"the engine refused {helper}: {refused.explanation}"
        except RequestException:
            return f"{helper} did not end within {PATIENCE:.0f} s"
        return f"{helper} ended with {code}; it said: {said or 'nothing'}" if code else ""

    def _died(self, host: str) -> None:
        """SetupError with its last words, if a host has ended that others were to join."""
        container = self.containers[host]
        if not self.engine.api.inspect_container(container)["State"]["Running"]:
            said = self.engine.api.logs(container, tail=1).decode(errors="replace").strip()
            raise SetupError(f"{host} ended before it was ready; it said: {said or 'nothing'}", "See `invoke doctor`.")

    def nodes(self) -> dict[str, Node]:
        """A channel to the program of every host, once all that route have their addresses and rules.

        A router's program answers when it is set up; before that, packets go astray.
        """
        nodes = {host.name: Node(host.name, self.streams[host.name]) for host in self.topology.hosts}
        routing = [it.name for it in self.topology.hosts if len(it.interfaces) > 1 and not it.lives_with]
        with hands() as asking:
            list(asking.map(lambda name: nodes[name].run("true"), routing))
        return nodes

    def provenance(self, run: str = "") -> provenance.Provenance:
        """Where what is measured here comes from."""
        engine = self.engine
        return provenance.Provenance(run, self.began, version(), engine.version, engine.kernel, self.images)

    def remove(self) -> None:
        """Remove everything of this run, as often as it is asked; not to be interrupted, since it is bounded."""
        with undisturbed():
            for stream in self.streams.values():
                stream.close()
            self.streams.clear()
            ownership.remove(self.engine, self.run)
