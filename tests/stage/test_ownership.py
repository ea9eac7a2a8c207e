"""Only what is known to be dead is dead."""

import socket
import subprocess
import sys

import pytest

from fourtuple.stage import ownership


def test_this_process_is_alive():
    assert not ownership.is_dead(ownership.owner_of_this_process())


def test_a_process_that_ended_is_dead_even_when_its_number_is_used_again():
    code = "from fourtuple.stage.ownership import owner_of_this_process as o; print(o())"
    owner = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert ownership.is_dead(owner)
    host, _, rest = ownership.owner_of_this_process().partition("/")
    assert ownership.is_dead(f"{host}/{rest.partition('/')[0]}/12345")
    assert not ownership.is_dead(f"{host}-elsewhere/{rest}")


@pytest.mark.parametrize(
    "owner", [ownership.KEPT, "", "another-machine/1/2", f"{socket.gethostname()}", f"{socket.gethostname()}/x/y"]
)
def test_what_cannot_be_known_is_not_dead(owner):
    assert not ownership.is_dead(owner)


@pytest.mark.parametrize("pid", ["9" * 25, "4" * 5000, "99999999999", "0", "-1", "٣", "1 2"])
def test_a_label_that_names_no_process_is_not_dead_and_not_running(pid):
    owner = f"{ownership._machine()}/{pid}/1"
    assert not ownership.is_dead(owner)
    assert not ownership._is_alive(owner), "or `invoke sweep --everything` would not take it"
    mine = ownership.Belongings("run", owner, "nat", "1", (), (), half_built=False)
    assert "does not say which process" in ownership.why_left(mine)


@pytest.mark.parametrize("half_built", [True, False])
def test_a_lab_that_was_to_stay_is_abandoned_only_while_it_is_half_built(half_built):
    code = "from fourtuple.stage.ownership import owner_of_this_process as o; print(o())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    for owner, expected in ((dead, half_built), (ownership.owner_of_this_process(), False)):
        mine = ownership.Belongings("run", ownership.KEPT + owner, "nat", "1", ("c",), (), half_built)
        assert ownership._is_abandoned(mine) is expected


@pytest.mark.parametrize(
    ("owner", "says"),
    [
        (ownership.KEPT, "left up on purpose"),
        (ownership.owner_of_this_process(), "it is running"),
        ("another-machine/1/2", "belongs to another-machine"),
    ],
)
def test_why_something_was_left_is_said(owner, says):
    mine = ownership.Belongings("run", owner, "nat", "1", (), (), half_built=False)
    assert says in ownership.why_left(mine)
