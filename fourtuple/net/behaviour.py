"""NAT behaviours, in the words of RFC 4787 and 5382, and what each predicts.

A behaviour is only a prediction: `nft.py` renders rules from it, a lab measures what they did, and nothing here looks
at either. How people write one down is in `presets.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

from .endpoint import Endpoint


class Mapping(Enum):
    """When does one inside endpoint keep its external endpoint? (RFC 4787 section 4.1)"""

    ENDPOINT_INDEPENDENT = "endpoint-independent"
    ADDRESS_DEPENDENT = "address-dependent"
    ADDRESS_AND_PORT_DEPENDENT = "address and port-dependent"


class Filtering(Enum):
    """Whose packets may come in through a mapping? (RFC 4787 section 5)"""

    ENDPOINT_INDEPENDENT = "endpoint-independent"
    ADDRESS_DEPENDENT = "address-dependent"
    ADDRESS_AND_PORT_DEPENDENT = "address and port-dependent"


class FilterScope(Enum):
    """What a permission belongs to: RFC 4787 section 5 says the inside endpoint; many boxes say the mapping."""

    ENDPOINT = "endpoint"
    MAPPING = "mapping"


class PortAssignment(Enum):
    """Which external port does a new mapping get? (RFC 4787 section 4.2.1)"""

    PRESERVATION = "port preservation"
    SEQUENTIAL = "sequential ports"
    RANDOM = "random ports"


class Hairpinning(Enum):
    """What does an inside host see that is called by another one at its external endpoint? (RFC 4787 section 6)"""

    EXTERNAL_SOURCE = "external"
    INTERNAL_SOURCE = "internal"
    OFF = "off"


class Unsolicited(Enum):
    """What does somebody get who was not let in? (RFC 5382 section 4.3) HOST: the router's own stack answers."""

    DROP = "drop"
    RST = "rst"
    ICMP = "icmp"
    HOST = "host"


class Translation(Enum):
    """Who translates: rules that do exactly what the behaviour says, or the kernel's masquerade as it is met."""

    NONE = "none"
    EXACT = "exact"
    MASQUERADE = "masquerade"
    MASQUERADE_RANDOM = "masquerade random"
    MASQUERADE_FULLY_RANDOM = "masquerade fully-random"


@dataclass(frozen=True, slots=True)
class Ports:
    """How ports are assigned, from `low` to `high` (with preservation: where the own one is taken), drawn by `seed`."""

    assignment: PortAssignment = PortAssignment.PRESERVATION
    low: int = 61000
    high: int = 65535
    seed: int = 0

    def __contains__(self, port: int) -> bool:
        return self.low <= port <= self.high


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds a mapping lives without packets. Defaults: RFC 4787 REQ-5, RFC 5382 REQ-5.

    `inbound_refresh`: do packets from outside keep it alive too? (RFC 4787 REQ-6)
    """

    udp: int = 300
    established: int = 7440
    transitory: int = 240
    inbound_refresh: bool = True


class AddressPooling(Enum):
    """Do the mappings of one inside address share one external address? (RFC 4787 section 4.1)"""

    PAIRED = "paired"
    ARBITRARY = "arbitrary"


@dataclass(frozen=True, slots=True)
class Addresses:
    """How many external addresses there are, and how they are given out."""

    count: int = 1
    pooling: AddressPooling = AddressPooling.PAIRED


@dataclass(frozen=True, slots=True)
class NatBehaviour:
    """What a router does to the endpoints that cross it.

    With plain routing an external endpoint is the inside endpoint itself, which is endpoint-independent mapping,
    preservation and no filtering by definition. `name` and `met` (where such boxes are met) decide nothing.
    """

    mapping: Mapping
    filtering: Filtering
    translation: Translation = Translation.EXACT
    scope: FilterScope = FilterScope.ENDPOINT
    ports: Ports = field(default_factory=Ports)
    hairpinning: Hairpinning = Hairpinning.EXTERNAL_SOURCE
    unsolicited: Unsolicited = Unsolicited.DROP
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    addresses: Addresses = field(default_factory=Addresses)
    name: str = field(default="", compare=False)
    met: str = field(default="", compare=False)

    @property
    def translates(self) -> bool:
        return self.translation is not Translation.NONE

    @property
    def overloads(self) -> bool:
        """May two inside endpoints share an external port, told apart by their destinations? (RFC 4787 REQ-3: no)"""
        return self.translation is Translation.MASQUERADE

    @property
    def exact(self) -> bool:
        return self.translation is Translation.EXACT

    def reuses_mapping(self, first: Endpoint, second: Endpoint) -> bool:
        """Will one inside endpoint that wrote to `first` keep its external endpoint when it writes to `second`?

        RFC 4787 section 4.1; where the router overloads ports, for an inside endpoint whose port no other host uses.
        """
        match self.mapping:
            case Mapping.ENDPOINT_INDEPENDENT:
                return True
            case Mapping.ADDRESS_DEPENDENT:
                return first.address == second.address
            case Mapping.ADDRESS_AND_PORT_DEPENDENT:
                return first == second

    def admits(self, remote: Endpoint, contacted: Collection[Endpoint]) -> bool:
        """May `remote` send in to an inside endpoint, or through a mapping, that has written to `contacted`?

        RFC 4787 section 5. Whose contacts count is the `scope`: those of the endpoint, or of the one mapping.
        """
        match self.filtering:
            case Filtering.ENDPOINT_INDEPENDENT:
                return True
            case Filtering.ADDRESS_DEPENDENT:
                return any(remote.address == known.address for known in contacted)
            case Filtering.ADDRESS_AND_PORT_DEPENDENT:
                return remote in contacted

    def preserves_port(self) -> bool:
        """Does a mapping keep the inside port number while that is free outside? (RFC 4787 section 4.2.1)"""
        return self.ports.assignment is PortAssignment.PRESERVATION

    def keeps_address(self) -> bool:
        """Do all mappings of an inside address have one external address? (RFC 4787 REQ-2)"""
        return self.addresses.count == 1 or self.addresses.pooling is AddressPooling.PAIRED

    def alive(self, since_outbound: float, since_inbound: float) -> bool:
        """Does a UDP mapping still live, so many seconds after its last packets? (RFC 4787 section 4.3)"""
        last = min(since_outbound, since_inbound) if self.lifetimes.inbound_refresh else since_outbound
        return last < self.lifetimes.udp
