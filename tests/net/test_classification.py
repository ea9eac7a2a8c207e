"""What the answers of a server say of a NAT, and what they do not."""

import itertools

import pytest

from fourtuple.net import classification
from fourtuple.net.behaviour import Filtering, Mapping
from fourtuple.net.endpoint import Endpoint
from fourtuple.net.presets import NINE, parse

ONE, OTHER = "198.51.100.1", "198.51.100.2"
CORNERS = [Endpoint(address, port) for address, port in itertools.product((ONE, OTHER), (3478, 3479))]
MAPPED = Endpoint("203.0.113.1", 40000)


def seen(nat, asked):
    """What each of these destinations sees behind a router."""
    ports = {}
    for where in asked:
        same = next((port for known, port in ports.items() if nat.reuses_mapping(known, where)), 40000 + len(ports))
        ports[where] = same
    return {where: Endpoint(MAPPED.address, port) for where, port in ports.items()}


@pytest.mark.parametrize("behaviour", NINE)
def test_four_endpoints_tell_mapping_and_filtering(behaviour):
    nat = parse(behaviour)
    assert classification.mapping(seen(nat, CORNERS)).behaviour is nat.mapping
    address, port = (nat.admits(it, [CORNERS[0]]) for it in (CORNERS[3], CORNERS[1]))
    assert classification.filtering(address, port).behaviour is nat.filtering


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("mapping", [nat.mapping for nat in map(parse, ("eim/eif", "adm/eif", "apdm/eif"))])
def test_fewer_endpoints_never_tell_another_mapping(mapping, number):
    nat = parse({Mapping.ENDPOINT_INDEPENDENT: "eim", Mapping.ADDRESS_DEPENDENT: "adm"}.get(mapping, "apdm") + "/eif")
    for some in itertools.combinations(CORNERS, number):
        assert classification.mapping(seen(nat, some)).behaviour in (None, mapping)


@pytest.mark.parametrize(
    ("asked", "behaviour", "depends"),
    [
        (CORNERS[:1], "eim/eif", (None, None)),
        (CORNERS[:2], "eim/eif", (None, False)),
        (CORNERS[:2], "apdm/eif", (None, True)),
        (CORNERS[::2], "adm/eif", (True, None)),
        (CORNERS, "adm/eif", (True, False)),
    ],
)
def test_address_and_port_are_told_apart(asked, behaviour, depends):
    assert classification.depends(seen(parse(behaviour), asked)) == depends


@pytest.mark.parametrize(
    ("address", "port", "filtering"),
    [
        (True, True, Filtering.ENDPOINT_INDEPENDENT),
        (True, None, Filtering.ENDPOINT_INDEPENDENT),
        (False, True, Filtering.ADDRESS_DEPENDENT),
        (False, False, Filtering.ADDRESS_AND_PORT_DEPENDENT),
        (None, False, Filtering.ADDRESS_AND_PORT_DEPENDENT),
        (None, True, None),
        (False, None, None),
        (None, None, None),
    ],
)
def test_what_is_not_known_of_a_filter_is_not_guessed(address, port, filtering):
    assert classification.filtering(address, port).behaviour is filtering


def test_the_reason_says_what_is_known_all_the_same():
    found = classification.mapping(seen(parse("adm/eif"), CORNERS[::2]), "nobody answered")
    assert found.word == "cannot tell"
    assert found.why == (
        "the mapping depends on the address; whether the mapping depends on the port is not known; nobody answered"
    )


@pytest.mark.parametrize("asked", ["8.8.8.8", ONE, "127.0.0.1"])
@pytest.mark.parametrize(
    ("other", "useless"),
    [
        (None, {"8.8.8.8", ONE, "127.0.0.1"}),
        (Endpoint("192.168.0.1", 3479), {"8.8.8.8"}),
        (Endpoint("127.0.0.2", 3479), {"8.8.8.8", ONE}),
        (Endpoint("224.0.0.1", 3479), {"8.8.8.8", ONE, "127.0.0.1"}),
        (Endpoint(MAPPED.address, 3479), {"8.8.8.8", ONE, "127.0.0.1"}),
    ],
)
def test_an_other_address_that_cannot_be_is_of_no_use(asked, other, useless):
    assert bool(classification.unusable(Endpoint(asked, 3478), MAPPED, other)) is (asked in useless)
