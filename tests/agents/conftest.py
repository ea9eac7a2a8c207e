"""What the programs' tests share."""

import socket
from contextlib import ExitStack

import pytest


@pytest.fixture
def free_ports():
    """Three ports of loopback that nobody has."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(3)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@pytest.fixture
def free_port(free_ports):
    return free_ports[0]
