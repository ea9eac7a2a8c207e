"""Hosts, networks and taps: the only source of addresses outside the containers.

Read from what `docker compose config --format json` resolves, so the compose file says everything once. A host
has an address in each of its networks; a tap listens to one interface of one host.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, ip_address, ip_network
from typing import Any, TypeVar

from ..errors import UsageError
from ..net.document import Value
from ..net.endpoint import Endpoint

MOST = 200  # services; the largest lab here has 14, and each is compared with each
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


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
            if router in found:
                raise ValueError(f"the routers above {host} form a loop at {router.name}")
            found.append(router)
            network = router.interfaces[1][0]
        return tuple(found)

    @classmethod
    def from_compose(cls, config: Mapping[str, Any]) -> Topology:
        """Read a resolved compose file; UsageError when it is not one of a lab."""
        try:
            return _read(Value(config, "it"))
        except (ValueError, KeyError) as error:  # KeyError: `_named` found none
            raise UsageError(f"this is not the resolved compose file of a lab: {error.args[0]}") from None


def _read(config: Value) -> Topology:
    """The topology of a compose file; ValueError or KeyError says what in it is no lab's."""
    networks = tuple(_network(name, spec) for name, spec in config.get("networks").items())
    known = {network.name for network in networks}
    services = tuple((_plain(name, spec), spec) for name, spec in config["services"].items())
    if len(services) > MOST:
        raise ValueError(f"it has {len(services)} services; at most {MOST} were wanted")
    hosts = [_host(name, spec, known) for name, spec in services if not _owner(spec)]
    taps, helpers = [], []
    for name, spec in services:
        environment = spec.get("environment")
        if not _owner(spec) or _has(environment, "OUTSIDE"):
            continue  # the latter is somebody else's router in the place of ours: nobody drives it
        owner = _named(tuple(hosts), _owner(spec), "host")
        if _has(environment, "UNTRACKED"):
            helpers.append(Helper(name, owner.name))
            continue
        if not _has(environment, "TAP_ADDRESS"):
            hosts.append(Host(name, owner.interfaces, router=False, lives_with=owner.name))
            continue
        address = environment["TAP_ADDRESS"].name()
        where = [network for network, own in owner.interfaces if own == address]
        if len(where) != 1:
            raise ValueError(f"{name} listens to {address}, which is no address of {owner.name}")
        taps.append(Tap(name.removesuffix("-tap"), name, owner.name, where[0]))
    if not hosts or not _has(config["services"][hosts[0].name].get("labels"), "fourtuple.project"):
        raise ValueError("its first service has no label fourtuple.project")
    return Topology(config["name"].name(), tuple(hosts), networks, tuple(taps), tuple(helpers))


def _host(name: str, spec: Value, networks: Collection[str]) -> Host:
    environment = spec.get("environment")
    interfaces = tuple(
        (network, _ipv4(attached["ipv4_address"])) for network, attached in spec.get("networks").items()
    )  # fmt: skip
    if strange := [network for network, _ in interfaces if network not in networks]:
        raise ValueError(f"{name} is in {strange[0]}, which is no network of it")
    router = _has(environment, "OUTSIDE")
    if router and len(interfaces) != 2:
        raise ValueError(f"the router {name} is in {len(interfaces)} networks; a router forwards between two")
    if not _has(environment, "OUTSIDE_POOL"):
        return Host(name, interfaces, router)
    pool = environment["OUTSIDE_POOL"]
    return Host(name, interfaces, router, pool=tuple(_ipv4(pool, it) for it in pool.name().split(",") if it))


def _network(name: str, spec: Value) -> Network:
    subnets = spec["ipam"]["config"].list()
    if not subnets:
        raise ValueError(f"{spec.where} has no subnet")
    return Network(_plain(name, spec), subnets[0]["subnet"].name(), _ipv4(subnets[0]["gateway"]))


def _owner(spec: Value) -> str:
    """Whose network namespace a service shares, or nothing."""
    mode = spec.get("network_mode")
    shared = "" if mode.raw is None else mode.name()
    return shared.removeprefix("service:") if shared.startswith("service:") else ""


def _has(mapping: Value, key: str) -> bool:
    """Does a mapping, which may be absent, say something under this key?"""
    return mapping.raw is not None and mapping.get(key).raw is not None


def _ipv4(value: Value, part: str = "") -> str:
    """The IPv4 address that a value is, or that this part of it is."""
    try:
        return str(IPv4Address(part or value.name()))
    except AddressValueError:
        raise ValueError(f"{value.where}: an IPv4 address was wanted, found {part or value.name()!r}") from None


def _plain(name: str, spec: Value) -> str:
    """The name of a service or network, which is part of file names; ValueError where it is not what Compose allows."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{spec.where}: a name is letters, digits, `.`, `_` and `-`")
    return name


_Named = TypeVar("_Named", Host, Network)


def _named(things: tuple[_Named, ...], name: str, kind: str) -> _Named:
    for thing in things:
        if thing.name == name:
            return thing
    raise KeyError(f"there is no {kind} {name!r}; there are: {', '.join(thing.name for thing in things)}")
