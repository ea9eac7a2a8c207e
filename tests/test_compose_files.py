"""The compose files hold what the design promises, read as text: no engine is asked."""

from __future__ import annotations

import re

import pytest

from fourtuple.kit import catalog

from .conftest import CHECKOUT

COMPOSE = sorted((CHECKOUT / "compose").glob("*.yml"))
TOPOLOGIES = [path for path in COMPOSE if path.name != "base.yml"]


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
@pytest.mark.parametrize(
    "never",
    ["privileged", "docker.sock", "network_mode: host", "container_name", "internal:", "volumes:", "start_interval",
     "ports:", "SYS_ADMIN", "SYS_RESOURCE"],
)  # fmt: skip
def test_no_file_asks_for(path, never):
    lines = [line.partition("#")[0] for line in path.read_text().splitlines()]
    assert not [line for line in lines if never in line]


@pytest.mark.parametrize("path", TOPOLOGIES, ids=lambda path: path.name)
def test_every_address_carries_the_instance(path):
    text = "\n".join(line.partition("#")[0] for line in path.read_text().splitlines())
    addresses = re.findall(r"(?:10|198\.18)\.\S+", text)
    assert addresses or "networks:" not in text
    assert all(re.match(r"(10|198\.18)\.\$\{FOURTUPLE_INSTANCE:-0\}\.", address) for address in addresses)


@pytest.mark.parametrize("path", TOPOLOGIES, ids=lambda path: path.name)
def test_every_network_is_one_the_engine_leaves_alone(path):
    text = path.read_text()
    if "\nnetworks:" not in text:
        assert "network_mode: none" in text
        return
    for option in ('enable_ip_masquerade: "false"', "gateway_mode_ipv4: routed", 'inhibit_ipv4: "true"'):
        assert option in text
    networks = text[text.index("\nnetworks:") :]
    names = re.findall(r"^  (\w+):$", networks, re.MULTILINE)
    assert len(names) == networks.count("driver_opts: *routed") == networks.count("labels: *labels")


def test_only_routers_taps_what_prepares_a_host_and_the_labs_about_a_privilege_are_given_capabilities():
    base = (CHECKOUT / "compose" / "base.yml").read_text()
    given = re.findall(r"cap_add: \[(.*)\]", base)
    assert given == ["NET_ADMIN", "NET_ADMIN", "NET_RAW, SETUID, SETGID"]
    of_labs = {path.stem: re.findall(r"cap_add: \[(.*)\]", path.read_text()) for path in TOPOLOGIES}
    assert {lab: sorted(set(given)) for lab, given in of_labs.items() if given} == {
        "foreign": ["NET_ADMIN, NET_RAW"],  # somebody else's router
        "inherit": ["SYS_PTRACE, SETUID"],  # taking a descriptor, and being somebody else
        "multihome": ["NET_ADMIN"],  # a route, and a filter
        "single": ["SETUID"],  # who owns a socket
        "fourtuples": ["NET_ADMIN"],  # two neighbours with one address
        "timewait": ["NET_RAW"],  # a segment made by hand
    }


def test_every_lab_has_its_compose_file():
    assert {catalog.find(name).compose for name in catalog.names()} <= {path.stem for path in TOPOLOGIES}


def test_no_file_of_the_project_names_a_mirror_or_registry():
    for path in CHECKOUT.rglob("*"):
        if path.suffix in (".py", ".yml", ".toml", ".md", ".txt", "") and path.is_file() and ".git" not in path.parts:
            if ".venv" in path.parts or "results" in path.parts:
                continue
            found = re.findall(
                r"https?://[^ /\"]*(?:debian|pypi|npmjs|pythonhosted|registry)[^ /\"]*", path.read_text(errors="ignore")
            )
            assert not found, path
