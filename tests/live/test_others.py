"""Programs that are not ours, from the distribution's packages: STUN clients against our server, and a newer nft."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile

import pytest

from fourtuple.net import nft
from fourtuple.net.presets import NINE, parse
from fourtuple.stage import apt, images, kept, ownership, session
from fourtuple.stage.narrator import Narrator

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("image")]
NEWER = "trixie"  # a suite whose nft is 1.1.x
LIBRARIES = ("libnftables1", "libnftnl11", "libc6", "libedit2", "libjansson4", "libgmp10", "libmnl0", "libxtables12",
             "libbsd0", "libmd0", "libtinfo6")  # fmt: skip
ADDRESSES = ["198.18.0.2", "198.18.0.3", "198.18.0.4"]


def unpacked(packages, place, suite):
    """The packages of a suite, unpacked below `place`."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("this system has no dpkg: Debian's packages cannot be unpacked here")
    with apt.newer_suite(suite) as (scratch, options):
        subprocess.run(["apt-get", *options, "update", "-qq"], check=True, capture_output=True)
        done = subprocess.run(["apt-get", *options, "download", *packages], cwd=scratch / "x", capture_output=True,
                              text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        for deb in (scratch / "x").glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", deb, place], check=True)
    return place


def test_the_newer_nft_takes_every_kind_of_rule_set(tmp_path):
    root = unpacked(("nftables", *LIBRARIES), tmp_path, NEWER)
    (loader,) = {path.resolve() for path in root.rglob("ld-linux*.so.*")}
    program = [str(loader), "--library-path", str(loader.parent), str(root / "usr/sbin/nft")]
    version = subprocess.run([*program, "--version"], capture_output=True, text=True, check=True).stdout
    assert "v1.1." in version
    extras = ("", "scope=mapping", "hairpin=internal", "unsolicited=icmp refresh=outbound", "addresses=2",
              "addresses=3:arbitrary scope=mapping ports=random:7", "hairpin=off ports=sequential")  # fmt: skip
    for behaviour in (*(f"{pair} {extra}".strip() for pair in NINE for extra in extras), "masquerade", "none", "bare"):
        rules = nft.render(parse(behaviour), "wan0", ADDRESSES)
        loaded = subprocess.run(["unshare", "-n", *program, "-f", "-"], input=rules, text=True, capture_output=True,
                                check=False)  # fmt: skip
        assert loaded.returncode == 0, (behaviour, loaded.stderr[:300])


@pytest.fixture(scope="module")
def clients(engine, image, tmp_path_factory):
    """An image with two STUN clients of the distribution in it; removed at the end."""
    packages = ("stun-client", "coturn", "libevent-core-2.1-7", "libevent-extra-2.1-7", "libevent-openssl-2.1-7",
                "libevent-pthreads-2.1-7", "libhiredis0.14", "libmariadb3", "libbson-1.0-0", "libmongoc-1.0-0",
                "libpq5", "libsqlite3-0", "libssl3", "libsasl2-2", "libsnappy1v5", "libldap-2.5-0", "libgssapi-krb5-2",
                "libkrb5-3", "libk5crypto3", "libkrb5support0", "libkeyutils1", "libcom-err2", "libicu72",
                "libutf8proc2", "libzstd1", "libnghttp2-14", "libmnl0", "libstdc++6",
                "libgcc-s1")  # fmt: skip
    root = unpacked(packages, tmp_path_factory.mktemp("stun"), apt.own_source().suite)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(root, "root")
        recipe = (
            f"FROM {images.NAME}:{image}\nCOPY root /others\nENV LD_LIBRARY_PATH=/others/usr/lib/x86_64-linux-gnu\n"
        )
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(recipe)
        tar.addfile(entry, io.BytesIO(recipe.encode()))
    packed.seek(0)
    name = "fourtuple-test/stun-clients"
    for said in engine.api.build(fileobj=packed, custom_context=True, tag=name, rm=True, decode=True):
        assert "error" not in said, said
    yield name
    engine.api.remove_image(name, force=True)


@pytest.fixture
def behind(engine):
    """Brings the lab `nat` up with a behaviour and our STUN server; returns a way to run a program at client1."""
    stages = []

    def bring_up(behaviour):
        stage = kept.bring_up(session.begin("nat", behaviour, Narrator(quiet=True)))
        stages.append(stage)
        alice, bob = (stage.topology.endpoint(name, 3478).address for name in ("alice", "bob"))
        for name, own, other in (("alice", alice, bob), ("bob", bob, alice)):
            job = engine.api.exec_create(
                stage.containers[name], ["python3", "-m", "fourtuple.agents.stun_server", own, other]
            )
            engine.api.exec_start(job["Id"], detach=True)
        return stage, alice

    yield bring_up
    for stage in stages:
        ownership.remove(engine, stage.run)


def ask(stage, client, *argv):
    """What a program prints in the network namespace of client1."""
    argv = ["docker", "run", "--rm", "--network", f"container:{stage.containers['client1']}", "--cap-drop", "ALL",
            client, *argv]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ("full-cone", "Independent Mapping, Independent Filter"),
        ("home", "Independent Mapping, Port Dependent Filter"),
        ("symmetric", "Dependent Mapping"),
    ],
)
def test_a_client_of_rfc_3489_gets_right_answers(behind, clients, behaviour, says):
    stage, alice = behind(behaviour)
    assert says in ask(stage, clients, "/others/usr/bin/stun", alice)


@pytest.mark.parametrize(
    ("behaviour", "mapping", "filtering"),
    [
        ("full-cone", "Endpoint Independent", "Endpoint Independent"),
        # its third question goes back to the address of the first, so it cannot tell these two mappings apart
        ("adm/adf ports=random", "Address and Port Dependent", "Address Dependent"),
        ("symmetric", "Address and Port Dependent", "Address and Port Dependent"),
    ],
)
def test_a_client_of_rfc_5780_gets_right_answers(behind, clients, behaviour, mapping, filtering):
    stage, alice = behind(behaviour)
    said = ask(stage, clients, "/others/usr/bin/turnutils_natdiscovery", "-m", "-f", alice)
    assert re.search(rf"NAT with {mapping} Mapping", said), said
    assert re.search(rf"NAT with {filtering} Filtering", said), said
