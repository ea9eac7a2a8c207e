"""NAT behaviours, in the words of RFC 4787, and what each predicts.

A behaviour is only a prediction: `nft.py` renders rules from its name, a lab measures what they did, and nothing
here looks at either. A preset is a documented name for a combination that is met in the wild.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
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


class PortAssignment(Enum):
    """Which external port does a new mapping get? (RFC 4787 section 4.2.1)"""

    PRESERVATION = "port preservation"
    RANDOM = "random ports"


@dataclass(frozen=True, slots=True)
class NatBehaviour:
    """What a router does to the endpoints that cross it.

    `translates` is False for plain routing; then an external endpoint is the inside endpoint itself, which is
    endpoint-independent mapping, preservation and no filtering by definition.
    """

    name: str
    met: str
    translates: bool
    mapping: Mapping
    filtering: Filtering
    ports: PortAssignment

    def __str__(self) -> str:
        """The behaviour in RFC 4787's words."""
        if not self.translates:
            return f"{self.name}: translates nothing, filters nothing"
        mapping, filtering, ports = self.mapping.value, self.filtering.value, self.ports.value
        return f"{self.name}: {mapping} mapping, {filtering} filtering, {ports}"

    def reuses_mapping(self, first: Endpoint, second: Endpoint) -> bool:
        """Will one inside endpoint that wrote to `first` keep its external endpoint when it writes to `second`?

        RFC 4787 section 4.1, for an inside endpoint whose port no other host uses.
        """
        match self.mapping:
            case Mapping.ENDPOINT_INDEPENDENT:
                return True
            case Mapping.ADDRESS_DEPENDENT:
                return first.address == second.address
            case Mapping.ADDRESS_AND_PORT_DEPENDENT:
                return first == second

    def admits(self, remote: Endpoint, contacted: Collection[Endpoint]) -> bool:
        """May `remote` send in through a mapping whose inside endpoint has written to `contacted`?

        RFC 4787 section 5, read literally: the permission belongs to the inside endpoint.
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
        return self.ports is PortAssignment.PRESERVATION


PRESETS: dict[str, NatBehaviour] = {
    preset.name: preset
    for preset in (
        NatBehaviour(
            "masquerade",
            "Linux home routers: nftables or iptables MASQUERADE behind a stateful firewall",
            True,
            Mapping.ENDPOINT_INDEPENDENT,
            Filtering.ADDRESS_AND_PORT_DEPENDENT,
            PortAssignment.PRESERVATION,
        ),
        NatBehaviour(
            "masquerade-random",
            "Linux gateways told to randomise source ports: MASQUERADE --random",
            True,
            Mapping.ADDRESS_AND_PORT_DEPENDENT,
            Filtering.ADDRESS_AND_PORT_DEPENDENT,
            PortAssignment.RANDOM,
        ),
        NatBehaviour(
            "none",
            "routers without NAT: the control of every experiment here",
            False,
            Mapping.ENDPOINT_INDEPENDENT,
            Filtering.ENDPOINT_INDEPENDENT,
            PortAssignment.PRESERVATION,
        ),
    )
}


def parse(text: str) -> NatBehaviour:
    """The behaviour a person named; ValueError lists the names there are."""
    try:
        return PRESETS[text]
    except KeyError:
        raise ValueError(f"there is no NAT called {text!r}; there are: {', '.join(PRESETS)}") from None
