"""The image's name says what went into it; without a way to build one, that is a sentence."""

import os

import pytest

from fourtuple.errors import SetupError
from fourtuple.stage import base_image, images
from fourtuple.stage.engine import connect

from .fakes import Programs, Told, fake_engine


def test_the_hash_is_of_what_goes_in_and_of_nothing_else():
    names = {name for name, _ in images._ingredients()}
    assert {
        "Dockerfile",
        "packages.txt",
        "fourtuple/__init__.py",
        "fourtuple/net/nft.py",
        "fourtuple/net/exact/tables.py",
        "fourtuple/agents/router.py",
    } <= names
    assert not [name for name in names if "/kit/" in name or "/stage/" in name or name == "labs/nat/nat.py"]


def test_another_byte_is_another_image(tmp_path, monkeypatch):
    before = images.content_hash()
    assert images.content_hash() == before
    extra = tmp_path / "extra"
    extra.write_text("x")
    ingredients = [*images._ingredients(), ("fourtuple/net/extra.py", extra)]
    monkeypatch.setattr(images, "_ingredients", lambda: iter(ingredients))
    assert images.content_hash() != before


def test_a_missing_image_with_no_way_to_build_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", Programs(tmp_path).path(alone=True))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with fake_engine(tmp_path) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        told = Told()
        wanted = "mmdebstrap was wanted to build the lab's image without a registry"
        with connect() as engine, pytest.raises(SetupError, match=wanted):
            images.ensure(engine, told)
    assert told.announced[0] == "the lab's image is not built yet: building it"
    assert told.announced[-1] == "no image registry answers: bootstrapping the same system from packages"


def test_a_bootstrapped_system_is_kept_under_its_recipe(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept = tmp_path / "fourtuple" / f"base-{base_image._recipe_hash(base_image.PACKAGES)}.tar"
    kept.parent.mkdir()
    kept.write_text("a tar")
    assert base_image.bootstrap(Told()) == kept
