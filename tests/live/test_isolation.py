"""What a lab's containers cannot do: leave the lab, reach the host, gain a privilege, write to their root."""

from __future__ import annotations

import socket
import subprocess
import threading

import pytest

from fourtuple.stage.images import NAME
from fourtuple.stage.stage import Stage, new_run

pytestmark = pytest.mark.live

CAPABILITIES = {"NET_ADMIN": 1 << 12, "NET_RAW": 1 << 13, "SETGID": 1 << 6, "SETUID": 1 << 7}
ALLOWED = {"router": {"NET_ADMIN"}, "tap": {"NET_RAW", "SETUID", "SETGID"}, "host": set()}
DOCUMENTATION = "192.0.2.1"  # TEST-NET-1 (RFC 5737): nobody is there; only whether a route exists is asked


@pytest.fixture(scope="module", params=["masquerade", "none"])
def stage(request, engine, image):
    made = Stage(engine, "nat", new_run(), request.param, image)
    try:
        made.build()
        made.start()
        yield made
    finally:
        made.remove()


def inside(stage, service, *argv):
    """Exit code and output of a program in a container."""
    api = stage.engine.api
    made = api.exec_create(stage.containers[service], list(argv))["Id"]
    output = api.exec_start(made).decode()
    return api.exec_inspect(made)["ExitCode"], output


def role(service):
    return "tap" if service.endswith("-tap") else service if service == "router" else "host"


def test_capabilities_are_exactly_the_declared_ones(stage):
    for service in stage.containers:
        _, status = inside(stage, service, "cat", "/proc/1/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        allowed = sum(CAPABILITIES[name] for name in ALLOWED[role(service)])
        assert int(fields["CapBnd"], 16) == allowed, service
        assert int(fields["CapEff"], 16) & ~allowed == 0, service
        assert fields["NoNewPrivs"].strip() == "1", service


def test_an_end_host_has_no_capability_at_all(stage):
    for service in stage.containers:
        if role(service) == "host":
            code, status = inside(stage, service, "sh", "-c", "grep -h Cap /proc/[0-9]*/status")
            assert code == 0
            assert {line.split()[1] for line in status.splitlines()} == {"0000000000000000"}, service


def test_the_root_is_read_only_and_nothing_of_the_host_is_in_it(stage):
    for service, container in stage.containers.items():
        seen = stage.engine.api.inspect_container(container)
        assert seen["HostConfig"]["ReadonlyRootfs"] is True
        assert seen["HostConfig"]["Privileged"] is False
        assert seen["Mounts"] == []
        code, _ = inside(stage, service, "touch", "/written")
        assert code != 0
        code, _ = inside(stage, service, "sh", "-c", "ls /var/run/docker.sock /run/docker.sock")
        assert code != 0


def test_no_container_reaches_the_host(stage):
    """The host listens on every address it has; it reaches itself there, and no container does."""
    addresses = _host_addresses()
    assert addresses, "the host has no address a container could try"
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        listener.settimeout(20)
        for address in addresses:  # the positive control
            with socket.create_connection((address, port), timeout=5):
                listener.accept()[0].close()
        reached = []
        accepting = threading.Thread(target=_accept, args=(listener, reached), daemon=True)
        accepting.start()
        for service in _end_hosts(stage):
            for address in addresses:
                code, output = inside(stage, service, "python3", "-c", _KNOCK, address, str(port))
                assert code != 0, (service, address, output)
    assert reached == []


def test_no_container_reaches_the_outside(stage, image):
    """A server beside the lab, on the engine's default network: an ordinary container reaches it, no lab's does."""
    api = stage.engine.api
    node = f"{NAME}:{image}"
    mine = {"fourtuple.project": "fourtuple", "fourtuple.run": stage.run}  # so that it goes with the lab
    argv = ["python3", "-m", "fourtuple.agents.server", "8000"]
    server = api.create_container(node, argv, labels=mine)["Id"]
    api.start(server)
    for line in api.logs(server, stream=True, follow=True):
        if b"echoing" in line:
            break
    address = api.inspect_container(server)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    ordinary = api.create_container(node, ["python3", "-c", _KNOCK, address, "8000"], labels=mine)["Id"]
    api.start(ordinary)
    assert api.wait(ordinary)["StatusCode"] == 0, "the positive control"
    for service in _end_hosts(stage):
        code, output = inside(stage, service, "python3", "-c", _KNOCK, address, "8000")
        assert code != 0, (service, output)
    code, output = inside(stage, "router", "python3", "-c", _KNOCK, DOCUMENTATION, "80")
    assert "Network is unreachable" in output


def test_no_name_of_the_outside_is_resolved(stage):
    code, _ = inside(stage, "client1", "python3", "-c", "import socket; socket.gethostbyname('example.org')")
    assert code != 0


def test_the_host_has_no_address_and_no_route_in_a_lab(stage):
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    for network in stage.topology.networks:
        assert network.subnet not in routes


def test_every_container_runs_the_image_of_this_checkout(stage, image):
    for container in stage.containers.values():
        assert stage.engine.api.inspect_container(container)["Config"]["Image"] == f"{NAME}:{image}"


_KNOCK = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1.5)"


def _end_hosts(stage):
    return [service for service in stage.containers if role(service) != "tap"]


def _host_addresses():
    shown = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    addresses = [line.split()[3].partition("/")[0] for line in shown.splitlines()]
    return [address for address in addresses if not address.startswith("127.")]


def _accept(listener, reached):
    try:
        while True:
            reached.append(listener.accept()[1])
    except OSError:
        pass
