"""The engine is found as the docker command finds it, and refused in a sentence when it will not do."""

import hashlib
import json
import socket

import pytest
import requests
from docker.errors import APIError, DockerException
from urllib3.exceptions import MaxRetryError, ProtocolError

from fourtuple.errors import SetupError
from fourtuple.stage import engine
from fourtuple.stage.engine import connect, reason, refusal

from .fakes import fake_engine


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch, tmp_path):
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))


def test_docker_host_is_honoured(monkeypatch, tmp_path):
    with fake_engine(tmp_path) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with connect() as engine:
            assert (engine.version, engine.api_version) == ("0.fake", "1.41")


@pytest.mark.parametrize("how", ["DOCKER_CONTEXT", "docker context use"])
def test_a_context_is_honoured(monkeypatch, tmp_path, how):
    with fake_engine(tmp_path) as host:
        _make_context(tmp_path / "config", "elsewhere", host, current=how != "DOCKER_CONTEXT")
        if how == "DOCKER_CONTEXT":
            monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
        with connect() as engine:
            assert engine.version == "0.fake"


def test_an_engine_that_does_not_answer_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(
        SetupError, match=r"no Docker engine answers at unix://.*nobody\.sock \(DOCKER_HOST\): no such file"
    ):
        connect()


def test_an_engine_that_is_too_old_is_refused_with_both_versions(monkeypatch, tmp_path):
    with fake_engine(tmp_path, api="1.40") as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with pytest.raises(SetupError, match=r"speaks API 1\.40; 1\.41 or newer was wanted \(Engine 20\.10\)"):
            connect()


def test_an_engine_that_does_not_speak_is_told_apart_from_none(monkeypatch, tmp_path):
    """Frozen, or too busy: it takes the connection and says nothing."""
    monkeypatch.setattr(engine, "ANSWER", 0.3)
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(f"{tmp_path}/frozen.sock")
        frozen.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/frozen.sock")
        with pytest.raises(
            SetupError, match=r"frozen\.sock \(DOCKER_HOST\) does not answer: .* said nothing"
        ) as caught:
            connect()
    assert not isinstance(caught.value, engine.NoEngine), "`invoke setup` would start a second one"


REFUSED = ConnectionRefusedError(111, "Connection refused")
RESPONSE = requests.Response()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (requests.ConnectionError(ProtocolError("Connection aborted.", REFUSED)), "connection refused"),
        (requests.ConnectionError(MaxRetryError(None, "/", REFUSED)), "connection refused"),
        (requests.ReadTimeout("UnixHTTPConnectionPool(host='localhost', port=None): Read timed out."), "timed out"),
        (requests.ConnectionError(TimeoutError("timed out")), "timed out"),
        (DockerException("Error while fetching server API version: ('Connection aborted.', ...)"), "Error while"),
        (requests.JSONDecodeError("Expecting value", "hello", 0), "what answers there does not speak"),
        (FileNotFoundError(2, "No such file or directory"), "no such file or directory"),
        (APIError("500 Server Error", RESPONSE, "the disk is full"), "the disk is full"),
    ],
)
def test_the_reason_is_said_in_words(error, says):
    assert reason(error).startswith(says)
    assert "(" not in refusal(error) or isinstance(error, DockerException)


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("tcp://127.0.0.1:x", "could not be cast"),
        ("foo://bar", "Invalid bind"),
        ("unix:///nonexistent", "no such file"),
    ],
)
def test_a_docker_host_that_is_none_is_a_sentence(monkeypatch, host, says):
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(SetupError, match=rf"no Docker engine answers at {host} \(DOCKER_HOST\): .*{says}"):
        connect()


def test_an_unknown_context_is_named(monkeypatch):
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(SetupError, match="nowhere"):
        connect()


def _make_context(config, name, host, current):
    """As `docker context create` writes it."""
    place = config / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    place.mkdir(parents=True)
    endpoint = {"docker": {"Host": host, "SkipTLSVerify": False}}
    (place / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoint}))
    (config / "config.json").write_text(json.dumps({"currentContext": name} if current else {}))
