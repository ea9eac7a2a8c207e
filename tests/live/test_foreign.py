"""Routers that are not ours: audited, and where they do not do as docs/foreign.md says, told so in a sentence."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from fourtuple.stage import images
from fourtuple.stage.progress import Silent

from ..conftest import run_invoke
from .support import traces

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("image")]
NAT = "nft add table ip x; nft add chain ip x n '{ type nat hook postrouting priority srcnat; }'; " \
      "nft add rule ip x n ip saddr 10.0.0.0/8 ip daddr 198.18.0.0/15 masquerade; "  # fmt: skip
FORWARD = "nft add table ip x; nft add chain ip x f '{ type filter hook forward priority 0; }'; nft add rule ip x f "


@pytest.fixture(scope="module")
def box(engine, image):
    """Builds an image that runs a shell line in the lab's own image; removed at the end."""
    built = set()

    def build(name, line, extra=""):
        dockerfile = f'FROM {images.NAME}:{image}\n{extra}\nCMD ["sh", "-c", "{line}"]\n'
        for said in engine.api.build(fileobj=io.BytesIO(dockerfile.encode()), tag=name, rm=True, decode=True):
            assert "error" not in said, said
        built.add(name)
        return name

    yield build
    for name in built:
        engine.api.remove_image(name, force=True)


def _requirements(printed):
    said = json.loads(printed) if printed.startswith("{") else {"requirements": []}
    assert all(it.startswith("sha256:") for it in said.get("provenance", {}).get("images", {}).values())
    return said["requirements"]


def audit(name, out, *words):
    done = run_invoke("audit", "--image", name, "--json", "--out", str(out), *words)
    return done, {it["id"]: it for it in _requirements(done.stdout)}


def test_open_vswitch_is_audited(engine, tmp_path):
    images.build_box(engine, "openvswitch", Silent())
    before = traces(engine)
    done, found = audit("fourtuple/openvswitch", tmp_path, "--junit", str(tmp_path / "junit.xml"))
    assert traces(engine) == before
    assert done.returncode == 1, done.stderr  # it does not do all that must be done
    assert {it["as_predicted"] for it in found.values()} == {None}
    assert not [it for it in found.values() if it["outcome"] == "undecided"]
    conforms = {name for name, it in found.items() if it["outcome"] == "conforms"}
    assert {"RFC 4787 REQ-1", "RFC 4787 REQ-14", "RFC 5382 REQ-1", "RFC 5508 REQ-4", "RFC 5508 REQ-5"} <= conforms
    broken = {name for name, it in found.items() if it["outcome"] == "does not"}
    assert {"RFC 4787 REQ-3", "RFC 4787 REQ-9", "RFC 5382 REQ-2", "RFC 5382 REQ-7"} <= broken
    assert all(found[name]["evidence"] for name in conforms | broken)
    assert "RFC 5382 REQ-2 (MUST)" in (tmp_path / "junit.xml").read_text()
    (run,) = (tmp_path / "audit").iterdir()
    assert json.loads((run / "meta.json").read_text())["box"] == "fourtuple/openvswitch"


def test_somebody_elses_masquerade_is_found_to_be_one(box, tmp_path):
    firewall = FORWARD + "iif eth0 accept; "
    name = box("fourtuple-test/masquerade", NAT + firewall + INPUT + "exec sleep 300")
    done, found = audit(name, tmp_path, "--nat", "masquerade")
    assert done.returncode == 0, {name: it for name, it in found.items() if it["as_predicted"] is not True}
    assert {it["as_predicted"] for it in found.values()} == {True}


INPUT = "nft add chain ip x i '{ type filter hook input priority 0; }'; " \
        "nft add rule ip x i ct state established,related accept; " \
        "nft add rule ip x i ip saddr 198.18.0.0/15 meta l4proto '{ tcp, udp }' drop; "  # fmt: skip


@pytest.mark.parametrize(
    ("line", "extra", "says"),
    [
        pytest.param("echo I cannot; exit 3", "", "ended with exit code 3", id="it ends"),
        pytest.param("exec sleep 300", "", "forwards and does not translate", id="it only routes"),
        pytest.param(FORWARD + "drop; exec sleep 300", "", "does not forward", id="it drops"),
        pytest.param(FORWARD + "ct direction reply drop; " + NAT + "exec sleep 300", "",
                     "translates and lets nothing back in", id="nothing comes back"),
        pytest.param("exec sleep 300", "HEALTHCHECK --interval=1s --retries=1 CMD false", "is not ready",
                     id="never healthy"),
    ],
)  # fmt: skip
def test_a_router_that_does_not_do_its_part_is_told_so(engine, box, tmp_path, line, extra, says):
    name = box("fourtuple-test/wrong", line, extra)
    before = traces(engine)
    done, _ = audit(name, tmp_path, "--patience", "3")
    assert done.returncode == 2
    first, hint = done.stderr.splitlines()[-2:]
    assert f"the router image {name} {says}" in first
    assert "docs/foreign.md" in hint
    assert traces(engine) == before
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_last_words_of_a_router_that_ended_are_told(box, tmp_path):
    done, _ = audit(box("fourtuple-test/wrong", "echo I cannot; exit 3"), tmp_path)
    assert "What the image said last: I cannot." in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--image", "fourtuple-test/none"), "there is no image 'fourtuple-test/none' on this engine"),
        (("--image", "fourtuple/node:latest", "--patience", "0"), "--patience 0 is not possible"),
        (("--image", "fourtuple/node:latest", "--nat", "eim/apfd"), "filtering=apfd is not possible"),
    ],
)
def test_a_wrong_word_is_refused_before_anything_is_made(engine, words, says, tmp_path):
    before = traces(engine)
    done = run_invoke("audit", *words, "--out", str(tmp_path))
    assert done.returncode == 2
    assert says in done.stderr
    assert traces(engine) == before


def test_a_build_context_of_a_box_is_its_directory():
    """Nothing of the checkout gets into another's image but what lies in its directory."""
    home = Path(images.__file__).parents[2] / "images" / "openvswitch"
    files = [(it.name, it) for it in sorted(home.iterdir())]
    with tarfile.open(fileobj=images._context(files)) as tar:
        assert tar.getnames() == ["Dockerfile", "packages.txt", "start.sh"]
