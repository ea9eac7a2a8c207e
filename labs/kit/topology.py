"""Hosts, networks and taps: the only source of addresses outside the containers.

Read from what `docker compose config --format json` resolves, so the compose file says everything once. A host
has an address in each of its networks; a tap listens to one interface of one host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, TypeVar

from ..net.endpoint import Endpoint
from .errors import UsageError


@dataclass(frozen=True, slots=True)
class Network:
    """A broadcast domain: its name, subnet (`10.7.1.0/24`) and the gateway its hosts have as default route."""

    name: str
    subnet: str
    gateway: str

    def __post_init__(self) -> None:
        ip_network(self.subnet)

    def __contains__(self, address: str) -> bool:
        return ip_address(address) in ip_network(self.subnet)


@dataclass(frozen=True, slots=True)
class Host:
    """A machine of the lab: its name and its (network, address) pairs. A router forwards between its two networks.

    `lives_with` names the host whose network namespace this one shares: another process there, nothing more. `pool`
    are more addresses a router may claim outside.
    """

    name: str
    interfaces: tuple[tuple[str, str], ...]
    router: bool
    lives_with: str = ""
    pool: tuple[str, ...] = ()

    def address(self, network: str | None = None) -> str:
        """The host's address in `network`, or its only one."""
        found = [address for name, address in self.interfaces if network in (None, name)]
        if len(found) != 1:
            raise KeyError(f"{self.name} has {len(found)} addresses in {network or 'all its networks'}, one was wanted")
        return found[0]


@dataclass(frozen=True, slots=True)
class Tap:
    """An ear: where it is reported as (`lan`), its compose service, whose interface it is, in which network."""

    name: str
    service: str
    host: str
    network: str


@dataclass(frozen=True, slots=True)
class Helper:
    """A program that prepares the network namespace of a host before the host says anything, and ends: its compose
    service, and the host."""

    service: str
    host: str


@dataclass(frozen=True, slots=True)
class Topology:
    """One lab's network as it was brought up."""

    project: str
    hosts: tuple[Host, ...]
    networks: tuple[Network, ...]
    taps: tuple[Tap, ...]
    helpers: tuple[Helper, ...] = ()

    def host(self, name: str) -> Host:
        return _named(self.hosts, name, "host")

    def network(self, name: str) -> Network:
        return _named(self.networks, name, "network")

    def endpoint(self, host: str, port: int) -> Endpoint:
        """Port `port` on the only address of `host`."""
        return Endpoint(self.host(host).address(), port)

    @property
    def router(self) -> Host:
        """The only router of this topology; ValueError where there is none, or more."""
        (router,) = self.routers
        return router

    @property
    def routers(self) -> tuple[Host, ...]:
        return tuple(host for host in self.hosts if host.router)

    def routers_above(self, host: str) -> tuple[Host, ...]:
        """The routers between a host and the outermost network, the nearest first. A router's first interface is its
        inside."""
        network, found = self.host(host).interfaces[0][0], []
        while router := next((it for it in self.routers if it.interfaces[0][0] == network), None):
            found.append(router)
            network = router.interfaces[1][0]
        return tuple(found)

    @classmethod
    def from_compose(cls, config: Mapping[str, Any]) -> Topology:
        """Read a resolved compose file; UsageError when it is not one of a lab."""
        try:
            hosts, taps, helpers = [], [], []
            services: Mapping[str, Any] = config["services"]
            for name, service in services.items():
                if not service.get("network_mode", "").startswith("service:"):
                    attached = service.get("networks") or {}
                    pairs = tuple((net, spec["ipv4_address"]) for net, spec in attached.items())
                    environment = service.get("environment") or {}
                    pool = tuple(filter(None, environment.get("OUTSIDE_POOL", "").split(",")))
                    hosts.append(Host(name, pairs, router="OUTSIDE" in environment, pool=pool))
            for name, service in services.items():
                if service.get("network_mode", "").startswith("service:"):
                    owner = _named(tuple(hosts), service["network_mode"].removeprefix("service:"), "host")
                    environment = service.get("environment") or {}
                    address = environment.get("TAP_ADDRESS")
                    if "OUTSIDE" in environment:
                        continue  # somebody else's router in the place of ours: nobody drives it
                    if "UNTRACKED" in environment:
                        helpers.append(Helper(name, owner.name))
                        continue
                    if address is None:
                        hosts.append(Host(name, owner.interfaces, router=False, lives_with=owner.name))
                        continue
                    (network,) = (net for net, own in owner.interfaces if own == address)
                    taps.append(Tap(name.removesuffix("-tap"), name, owner.name, network))
            networks = [
                Network(name, spec["ipam"]["config"][0]["subnet"], spec["ipam"]["config"][0]["gateway"])
                for name, spec in (config.get("networks") or {}).items()
            ]
            if not hosts or "fourtuple.project" not in (services[hosts[0].name].get("labels") or {}):
                raise KeyError("fourtuple.project")
            return cls(config["name"], tuple(hosts), tuple(networks), tuple(taps), tuple(helpers))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"this is not the resolved compose file of a lab: {error!r} is missing or wrong") from None


_Named = TypeVar("_Named", Host, Network)


def _named(things: tuple[_Named, ...], name: str, kind: str) -> _Named:
    for thing in things:
        if thing.name == name:
            return thing
    raise KeyError(f"there is no {kind} {name!r}; there are: {', '.join(thing.name for thing in things)}")
