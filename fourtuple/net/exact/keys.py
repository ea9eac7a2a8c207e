"""How a mapping and a permission are named in the rules of a behaviour, and what else all its tables and chains ask."""

from __future__ import annotations

from dataclasses import dataclass

from ..behaviour import AddressPooling, Filtering, FilterScope, Mapping, NatBehaviour

OWN = "0xffff"  # as a pool index: the port is the inside endpoint's own
PROTOCOLS = ("udp", "tcp")


@dataclass(frozen=True, slots=True)
class Place:
    """An external address, and what the names of its tables and chains end with: nothing where it is the only one."""

    address: str
    end: str


@dataclass(frozen=True, slots=True)
class Keys:
    """The words of one behaviour's rules, on an interface with these external addresses."""

    behaviour: NatBehaviour
    outside: str
    addresses: tuple[str, ...]

    @property
    def wan(self) -> str:
        """The outside interface, as nftables quotes it."""
        return f'"{self.outside}"'

    @property
    def ours(self) -> str:
        """All external addresses."""
        return f"{{ {', '.join(self.addresses)} }}" if self.several else self.addresses[0]

    @property
    def several(self) -> bool:
        """Is there more than one external address?"""
        return len(self.addresses) > 1

    @property
    def places(self) -> list[Place]:
        """Each external address."""
        return [Place(it, f"_{number}" if self.several else "") for number, it in enumerate(self.addresses)]

    @property
    def filters(self) -> bool:
        """Must an inside endpoint have written to a remote before that may come in?"""
        return self.behaviour.filtering is not Filtering.ENDPOINT_INDEPENDENT

    @property
    def by_port(self) -> bool:
        """Does a permission name the remote's port as well?"""
        return self.behaviour.filtering is Filtering.ADDRESS_AND_PORT_DEPENDENT

    @property
    def by_mapping(self) -> bool:
        """Is a permission that of a mapping, or of the inside endpoint whatever its mapping is?"""
        return self.behaviour.scope is FilterScope.MAPPING

    @property
    def pure(self) -> bool:
        """May a remote come in by a mapping that was made for another one?"""
        return self.behaviour.mapping is not Mapping.ENDPOINT_INDEPENDENT and not self.by_port

    @property
    def paired(self) -> bool:
        """Does an inside address keep its external address?"""
        return self.behaviour.addresses.pooling is AddressPooling.PAIRED

    def mapping(self, source: str) -> str:
        """What a mapping depends on: `source`, which stands for the inside endpoint, and so much of the original
        destination as the behaviour says."""
        match self.behaviour.mapping:
            case Mapping.ENDPOINT_INDEPENDENT:
                return source
            case Mapping.ADDRESS_DEPENDENT:
                return f"{source} . ct original ip daddr"
            case Mapping.ADDRESS_AND_PORT_DEPENDENT:
                return f"{source} . ct original ip daddr . ct original proto-dst"

    def mapping_type(self) -> str:
        """The type of such a key."""
        remote = {Mapping.ENDPOINT_INDEPENDENT: "", Mapping.ADDRESS_DEPENDENT: " . ipv4_addr"}
        return "ipv4_addr . inet_service" + remote.get(self.behaviour.mapping, " . ipv4_addr . inet_service")

    def permission(self, address: str, port: str, remote: str, remote_port: str) -> str:
        """Who may come in to whom: to the external `port`, or to the inside endpoint where `address` says its address
        and the scope is that."""
        inside = port if self.by_mapping or not address else f"{address} . {port}"
        return f"meta l4proto . {inside} . {remote}" + (f" . {remote_port}" if self.by_port else "")

    def permission_type(self) -> str:
        """The type of such a key."""
        inside = "inet_service" if self.by_mapping else "ipv4_addr . inet_service"
        return f"inet_proto . {inside} . " + ("ipv4_addr . inet_service" if self.by_port else "ipv4_addr")

    def permitted(self, place: Place) -> str:
        """The table of permissions: of the mappings of this address, or of the inside endpoints whatever theirs is."""
        return f"permit{place.end}" if self.by_mapping else "permit"

    def only(self, what: str, place: Place) -> str:
        """A condition that holds at this address, where there are several."""
        return f"{what} {place.address} " if place.end else ""
