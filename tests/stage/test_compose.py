"""Compose is called as it should be, and what it complains of becomes a sentence. `docker` is a fake."""

import pytest

from fourtuple.errors import SetupError
from fourtuple.stage import compose, ownership
from fourtuple.stage.compose import Call, SubnetTaken
from fourtuple.stage.engine import Engine

from .fakes import Programs


@pytest.fixture
def programs(tmp_path, monkeypatch):
    made = Programs(tmp_path)
    monkeypatch.setenv("PATH", made.path(alone=True))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
    monkeypatch.setattr(compose, "PLUGINS", ())
    return made


CALL = Call("nat", (("FOURTUPLE_INSTANCE", "7"), ("NAT", "none")))


def test_the_variables_reach_compose_and_its_answer_is_the_topology(programs):
    programs.add("docker", 'echo "{\\"name\\": \\"$FOURTUPLE_INSTANCE $NAT\\"}"')
    assert CALL.resolve() == {"name": "7 none"}
    (call,) = programs.calls
    assert call.startswith("docker compose --ansi never -f ")
    assert call.endswith("/compose/nat.yml --profile taps config --format json")


def test_without_taps_their_profile_is_not_asked_for(programs):
    programs.add("docker", "exit 0")
    Call("nat", (), taps=False).create()
    assert "--profile" not in programs.calls[0]


def test_no_docker_command_is_a_sentence(programs):
    with pytest.raises(SetupError, match="the `docker` command was not found"):
        CALL.create()


@pytest.mark.parametrize(
    "complaint",
    ["docker: 'compose' is not a docker command.", "unknown flag: --ansi", "unknown shorthand flag: 'f' in -f"],
)
def test_a_docker_without_compose_v2_is_a_sentence(programs, complaint):
    programs.add("docker", f'echo "{complaint}" >&2; exit 1')
    with pytest.raises(SetupError, match="Docker Compose v2 was wanted as `docker compose`") as caught:
        CALL.create()
    assert "v1" in caught.value.hint


CRASH = "runtime/cgo: pthread_create failed: Resource temporarily unavailable"


def test_a_docker_that_crashes_is_not_called_a_missing_plugin(programs):
    """As under `ulimit -v`: a Go program ends with its reason, and pages of registers below."""
    programs.add("docker", f"echo '{CRASH}\nSIGABRT: abort\nrip 0x7f' >&2; exit 2")
    with pytest.raises(SetupError, match=f"it does not start: {CRASH}\n") as caught:
        CALL.create()
    assert "ulimit" in caught.value.hint


def test_a_plugin_that_crashes_is_not_called_missing(programs, tmp_path):
    """Docker itself says "unknown command" then."""
    programs.add("docker", "echo 'docker: unknown command: docker compose' >&2; exit 1")
    plugins = tmp_path / "config" / "cli-plugins"
    plugins.mkdir(parents=True)
    programs.add("docker-compose", f"echo '{CRASH}\nSIGABRT: abort' >&2; exit 2")
    (programs.place / "docker-compose").rename(plugins / "docker-compose")
    with pytest.raises(SetupError, match=f"its plugin {plugins}/docker-compose does not start: {CRASH}\n"):
        CALL.create()


def test_a_compose_that_does_not_end_is_ended_and_told(programs, monkeypatch):
    programs.add("docker", "while :; do :; done")
    monkeypatch.setattr(compose, "CREATION", 0.2)
    monkeypatch.setattr(compose, "PATIENCE", 0.2)
    with pytest.raises(SetupError, match="Docker Compose was asked to create and did not end within 0 s"):
        CALL.create()


@pytest.mark.parametrize("words", ["Pool overlaps with other one", "invalid pool request: Pool overlaps"])
def test_a_subnet_that_was_taken_meanwhile_is_told_apart(programs, words):
    programs.add("docker", f'[ "$2" = version ] && echo 2.26.1 && exit; echo "{words}" >&2; exit 1')
    with pytest.raises(SubnetTaken):
        CALL.create()


def test_a_missing_image_says_how_to_build_it(programs):
    programs.add("docker", '[ "$2" = version ] && echo 2.26.1 && exit; echo "No such image: x" >&2; exit 1')
    with pytest.raises(SetupError, match="an image of the lab is missing") as caught:
        CALL.create()
    assert "invoke images" in caught.value.hint


class _Lists:
    """Stands for an engine where only its lists of networks and of labs matter."""

    def __init__(self, *subnets, instances=()):
        self._subnets, self._instances = subnets, instances

    def containers(self, **_):
        return [{"Labels": {ownership.INSTANCE: number}} for number in self._instances]

    def networks(self):
        return [{"IPAM": {"Config": [{"Subnet": subnet}]}} for subnet in self._subnets] + [{"IPAM": {"Config": None}}]


def engine_with(*subnets, instances=()):
    return Engine(_Lists(*subnets, instances=instances), "0", "1.41", "0")


def test_an_instance_is_free_when_no_network_overlaps_its_subnets():
    free = compose.free_instances(engine_with("172.17.0.0/16", "10.3.7.0/24", "198.18.9.0/25", "fd00::/64"))
    assert set(free) == set(range(1, 256)) - {3, 9}


def test_the_number_of_a_lab_without_networks_is_taken_as_well():
    assert set(compose.free_instances(engine_with(instances=["7", "0"]))) == set(range(1, 256)) - {7}


@pytest.mark.parametrize("subnet", ["198.18.0.0/15", "10.0.0.0/8"])
def test_no_free_subnet_is_a_sentence(subnet):
    with pytest.raises(SetupError, match="no subnet is free for a lab") as caught:
        compose.free_instances(engine_with(subnet))
    assert "invoke sweep" in caught.value.hint
