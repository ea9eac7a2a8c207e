"""Rules say what the behaviour says, and nothing of its name."""

from dataclasses import replace

import pytest

from fourtuple.net.exact.tables import pool
from fourtuple.net.nft import render
from fourtuple.net.presets import DRAWN, NINE, PRESETS, parse

ADDRESS = ["198.18.0.2"]


def rules(text):
    return render(parse(text), "wan0", ADDRESS)


def test_masquerade_translates_what_leaves_by_the_outside_interface_only():
    assert 'oifname "wan0" counter masquerade\n' in rules("masquerade")


def test_random_ports_are_asked_for_only_where_the_behaviour_has_them():
    assert "masquerade random" in rules("masquerade-random")
    assert "masquerade fully-random" in rules("masquerade-fully-random")
    assert "random" not in rules("masquerade").split("\n", 1)[1]


def test_plain_routing_has_no_nat_chain_but_watches():
    assert "type nat" not in rules("none")
    assert "ct state" in rules("none")


@pytest.mark.parametrize("name", ["masquerade", "masquerade-random", *NINE])
def test_the_uninvited_is_dropped_before_it_can_occupy_a_port(name):
    assert "hook input" in rules(name)
    assert "policy drop" in rules(name)


def test_bare_has_no_firewall_and_that_is_all():
    assert "hook input" not in rules("bare")
    assert (
        render(replace(PRESETS["bare"], unsolicited=PRESETS["masquerade"].unsolicited), "wan0", ADDRESS).split("\n", 1)[
            1
        ]
        == rules("masquerade").split("\n", 1)[1]
    )


def test_rules_follow_the_behaviour_and_not_its_name():
    renamed = replace(PRESETS["home"], name="something else", met="nowhere")
    assert (
        render(renamed, "eth0", ADDRESS).split("\n", 1)[1] == render(PRESETS["home"], "eth0", ADDRESS).split("\n", 1)[1]
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("eim/eif", "ip saddr . th sport @bind_udp"),
        ("adm/eif", "ip saddr . th sport . ct original ip daddr @bind_udp"),
        ("apdm/eif", "ip saddr . th sport . ct original ip daddr . ct original proto-dst @bind_udp"),
    ],
)
def test_the_key_of_a_mapping_is_what_it_depends_on(text, key):
    assert key in rules(text)


def test_only_filters_have_permissions_and_their_scope_says_of_what():
    assert "@permit" not in rules("eim/eif")
    assert "ip daddr . th dport . ip saddr != @permit" in rules("eim/adf")
    assert "ip daddr . th dport . ip saddr . th sport != @permit" in rules("eim/apdf")
    assert "th dport . ip saddr @permit dnat" in rules("eim/adf scope=mapping")


def test_what_is_answered_to_the_uninvited_is_what_was_asked_for():
    assert "reject" not in rules("eim/apdf")
    assert "reject with tcp reset" in rules("eim/apdf unsolicited=rst")
    assert "reject with icmp port-unreachable" in rules("eim/apdf unsolicited=icmp")


def test_a_pool_has_the_ports_of_its_range_each_once_in_an_order_the_seed_decides():
    assert pool(parse("eim/eif ports=sequential:2000-2003").ports) == [2000, 2001, 2002, 2003]
    drawn = pool(parse("eim/eif ports=random:7").ports)
    assert drawn == pool(parse("adm/adf ports=random:7").ports) != pool(parse("eim/eif ports=random:8").ports)
    assert len(drawn) == len(set(drawn)) == DRAWN
    assert sorted(pool(parse("eim/eif ports=random:50000-50007").ports)) == list(range(50000, 50008))


def test_one_table_replaces_the_other_in_one_transaction():
    for text in ("none", "masquerade", "home"):
        assert rules(text).split("\n")[1:4] == [
            "table ip fourtuple { }",
            "delete table ip fourtuple",
            "table ip fourtuple {",
        ]
