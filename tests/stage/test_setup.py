"""Setting up does only what is missing, and says in a sentence what it cannot do. Engine and programs are fakes."""

import os
import subprocess

import pytest

from fourtuple.errors import SetupError
from fourtuple.stage import images, setup

from .fakes import Programs, Told, fake_engine

V2 = "case $2 in version) echo 2.26.1-4;; esac"
NO_PLUGIN = "echo \"docker: 'compose' is not a docker command.\" >&2; exit 1"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    made = Programs(tmp_path)
    monkeypatch.setenv("PATH", made.path(alone=True))
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(setup, "PLUGINS", tmp_path / "plugins")
    return made


@pytest.fixture
def ready(tmp_path, monkeypatch):
    with fake_engine(tmp_path, images=(f"{images.NAME}:{images.content_hash()}",)) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        yield host


def as_user(monkeypatch, uid):
    monkeypatch.setattr(os, "geteuid", lambda: uid)


def test_where_everything_is_there_nothing_is_done_and_no_root_is_needed(programs, ready, monkeypatch):
    as_user(monkeypatch, 1000)
    programs.add("docker", V2)
    told = Told()
    assert setup.setup(told) == [
        "Docker Engine 0.fake (API 1.41)",
        "Docker Compose 2.26.1-4",
        f"image {images.NAME}:{images.content_hash()}",
    ]
    assert programs.calls == ["docker compose version --short"]
    assert told.announced == []


def test_without_root_a_missing_engine_is_a_sentence(programs, monkeypatch, tmp_path):
    as_user(monkeypatch, 1000)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    with pytest.raises(SetupError, match="no Docker engine answers") as caught:
        setup.setup(Told())
    assert "unset DOCKER_HOST" in caught.value.hint


@pytest.mark.parametrize("docker", [NO_PLUGIN, "case $2 in version) echo 1.29.2;; esac"])
def test_without_root_a_missing_or_old_compose_is_a_sentence(programs, ready, monkeypatch, docker):
    as_user(monkeypatch, 1000)
    programs.add("docker", docker)
    with pytest.raises(SetupError, match="Docker Compose v2 was wanted as `docker compose`") as caught:
        setup.setup(Told())
    assert "docker-compose-plugin" in caught.value.hint


def test_on_ubuntu_the_packaged_plugin_is_installed(programs, ready, monkeypatch, tmp_path):
    as_user(monkeypatch, 0)
    programs.add(
        "docker", f"if [ -e {tmp_path}/installed ]; then {V2} else {NO_PLUGIN}; fi".replace("esac else", "esac; else")
    )
    programs.add(
        "apt-cache", 'case $2 in docker-compose-v2) echo "  Candidate: 2.24.6";; *) echo "  Candidate: (none)";; esac'
    )
    programs.add("apt-get", f"[ $1 = install ] && touch {tmp_path}/installed; exit 0")
    told = Told()
    assert "Docker Compose 2.26.1-4" in setup.setup(told)
    assert "apt-get install -y -qq --no-install-recommends docker-compose-v2" in programs.calls
    assert told.announced[0] == "installing docker-compose-v2 for Compose v2"


def test_on_bookworm_the_newer_suites_package_is_unpacked(programs, ready, monkeypatch, tmp_path):
    as_user(monkeypatch, 0)
    plugin = tmp_path / "plugins" / "docker-compose"
    programs.add("docker", f"if [ -e {plugin} ]; then {V2}; else {NO_PLUGIN}; fi")
    programs.add(
        "apt-cache", 'case $2 in docker-compose) echo "  Candidate: 1.29.2-3";; *) echo "  Candidate: (none)";; esac'
    )
    codename = setup.apt._codename()
    programs.add(
        "apt-get",
        f'case "$*" in *indextargets*) echo "http://mirror.invalid/|{codename}|main|";;'
        " *download*) touch docker-compose_2.26.1-4_amd64.deb;; esac",
    )
    programs.add(
        "dpkg",
        'mkdir -p $3/usr/libexec/docker/cli-plugins; echo plugin > "$3/usr/libexec/docker/cli-plugins/docker-compose"',
    )
    assert "Docker Compose 2.26.1-4" in setup.setup(Told())
    assert plugin.read_text() == "plugin\n"
    assert not [call for call in programs.calls if call.startswith("apt-get install")]


@pytest.mark.parametrize("content", ["999999999", "not a number", "", str(os.getpid())])
def test_the_pid_file_of_a_program_that_was_killed_is_forgotten(tmp_path, content):
    """Nobody has that number, or somebody else does."""
    file = tmp_path / "containerd.pid"
    file.write_text(content)
    setup.forget_dead(file, "containerd")
    assert not file.exists()


def test_a_zombie_is_dead_and_a_living_program_is_not(tmp_path):
    file = tmp_path / "containerd.pid"
    with subprocess.Popen(["sh", "-c", "read line"], stdin=subprocess.PIPE) as process:
        file.write_text(str(process.pid))
        setup.forget_dead(file, "sh")
        assert file.exists()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not reaped yet
        setup.forget_dead(file, "sh")
        assert not file.exists()


def test_a_mirror_that_fails_is_a_sentence_with_its_last_words(programs, ready, monkeypatch):
    as_user(monkeypatch, 0)
    programs.add("docker", NO_PLUGIN)
    programs.add("apt-cache", 'echo "  Candidate: 2.24.6"')
    programs.add("apt-get", 'echo "E: the mirror is on fire"; exit 100')
    with pytest.raises(SetupError, match="`apt-get update -qq` failed: E: the mirror is on fire"):
        setup.setup(Told())
