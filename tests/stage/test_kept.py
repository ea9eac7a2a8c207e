"""Which of the labs that are up a command means: one's own, and somebody else's only by its number."""

import pytest

from fourtuple.errors import UsageError
from fourtuple.stage import kept, ownership
from fourtuple.stage.ownership import Belongings

ME = ownership.user_of_this_process()


def up(instance, user, lab="nat"):
    return Belongings(f"run-{instance}", ownership.KEPT, lab, instance, ("c",), (), half_built=False, user=user)


MINE, MINE_TOO, HERS, BY_HAND = up("5", ME, "punch"), up("6", ME), up("7", "eve@laptop"), up("0", "")


@pytest.mark.parametrize(
    ("labs", "instance", "found"),
    [
        ([MINE], "", MINE),
        ([HERS, MINE, BY_HAND], "", MINE),
        ([MINE, MINE_TOO], "6", MINE_TOO),
        ([MINE, HERS], "7", HERS),
        ([BY_HAND], "0", BY_HAND),
    ],
)
def test_ones_only_lab_is_meant_or_the_one_of_the_number(labs, instance, found):
    assert kept.chosen(labs, instance) is found


@pytest.mark.parametrize(
    ("labs", "instance", "says", "todo"),
    [
        ([], "", "no lab is up", "`invoke up nat` brings one up"),
        ([], "5", "no lab with instance 5 is up, nor any other", "`invoke up nat` brings one up"),
        ([HERS], "", "no lab of yours is up", "Up: instance 7 (nat, of eve@laptop). Choose with --instance."),
        ([BY_HAND], "", "no lab of yours is up", "Up: instance 0 (nat, whose is not known)."),
        ([MINE, HERS], "9", "no lab with instance 9 is up", "Up: instance 5 (punch, yours), instance 7 (nat, of eve@"),
        ([MINE, MINE_TOO, HERS], "", "2 labs of yours are up, and one was wanted", "Choose with --instance."),
    ],
)
def test_where_none_is_meant_the_sentence_says_which_are_up(labs, instance, says, todo):
    with pytest.raises(UsageError) as caught:
        kept.chosen(labs, instance)
    assert caught.value.message == says
    assert todo in caught.value.hint


def test_a_lab_made_of_a_file_that_is_not_here_is_a_sentence():
    there = kept.Kept(MINE, {"alice": "c"}, "elsewhere")
    with pytest.raises(
        UsageError, match=r"the lab punch was made of elsewhere.yml, which this fourtuple does not have"
    ):
        there.topology()
