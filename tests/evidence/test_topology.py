"""Addresses come from the resolved compose file, and from nowhere else."""

import json

import pytest

from fourtuple.errors import UsageError
from fourtuple.evidence.topology import Helper, Topology
from fourtuple.net.endpoint import Endpoint

from ..conftest import RECORDINGS


@pytest.fixture
def config():
    return json.loads((RECORDINGS / "nat-none" / "compose.json").read_text())


def test_hosts_networks_and_taps_are_read(config):
    topology = Topology.from_compose(config)
    assert {host.name for host in topology.hosts} == {"client1", "client2", "router", "alice", "bob"}
    assert {(tap.name, tap.host, tap.network) for tap in topology.taps} == {
        ("lan", "router", "lan"),
        ("wan", "router", "wan"),
        ("alice", "alice", "wan"),
        ("bob", "bob", "wan"),
    }
    assert topology.router.name == "router"


def test_an_address_is_what_the_file_says(config):
    config["services"]["alice"]["networks"]["wan"]["ipv4_address"] = "198.18.9.77"
    config["services"]["alice-tap"]["environment"]["TAP_ADDRESS"] = "198.18.9.77"
    assert Topology.from_compose(config).endpoint("alice", 5) == Endpoint("198.18.9.77", 5)


def test_a_router_is_asked_for_one_network(config):
    router = Topology.from_compose(config).router
    with pytest.raises(KeyError, match="router has 2 addresses in all its networks, one was wanted"):
        router.address()


def test_an_unknown_host_is_answered_with_the_known(config):
    with pytest.raises(KeyError, match="no host 'carol'; there are: alice, bob, client1"):
        Topology.from_compose(config).host("carol")


def test_what_prepares_a_host_is_neither_a_host_nor_a_tap(config):
    before = Topology.from_compose(config)
    config["services"]["alice-untracked"] = {"network_mode": "service:alice", "environment": {"UNTRACKED": "yes"}}
    after = Topology.from_compose(config)
    assert after.helpers == (Helper("alice-untracked", "alice"),)
    assert (after.hosts, after.taps) == (before.hosts, before.taps)


@pytest.mark.parametrize("foreign", [{}, {"services": {"web": {"image": "nginx"}}, "networks": {}, "name": "x"}])
def test_another_projects_file_is_refused(foreign):
    with pytest.raises(UsageError, match="this is not the resolved compose file of a lab"):
        Topology.from_compose(foreign)
