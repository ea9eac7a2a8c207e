"""The programs a learner starts by hand, on this machine's loopback."""

import subprocess
import sys

import pytest

from ..conftest import CHECKOUT


def client(*words):
    argv = [sys.executable, "-m", "fourtuple.agents.client", *words]
    return subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=20)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_server_tells_the_client_who_it_is(transport, free_port):
    argv = [sys.executable, "-u", "-m", "fourtuple.agents.server", str(free_port)]
    with subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert f"port {free_port}" in process.stdout.readline()
        done = client(transport, f"127.0.0.1:{free_port}")
        process.terminate()
    assert done.returncode == 0, done.stderr
    own = done.stdout.split("I am ")[1].split(",")[0]
    assert f"the server says: you are {own}: hello" in done.stdout


def test_nobody_there_is_a_sentence(free_port):
    done = client("tcp", f"127.0.0.1:{free_port}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"no answer from 127.0.0.1:{free_port}: ")


def test_a_wrong_word_is_answered_with_the_usage():
    done = client("sctp", "127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr.startswith("usage: client udp|tcp ADDRESS:PORT")
