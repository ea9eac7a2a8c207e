"""A case is read from words; what it silently stands on is said, and what makes no sense is refused."""

import pytest

from fourtuple.net.bind_case import parse
from fourtuple.net.bind_rule import State


@pytest.mark.parametrize(
    "words",
    ["tcp 0.0.0.0:80 listening reuseaddr", "tcp:0.0.0.0:80:listen:reuseaddr", "tcp,0.0.0.0:80,reuseaddr,listening"],
)
def test_words_may_be_separated_in_any_usual_way(words):
    case = parse(words, "tcp [::1]:80 uid=1000 dev=lo v6only")
    assert (case.first.address, case.state, case.first.reuseaddr) == ("0.0.0.0", State.LISTENING, True)
    assert (case.second.address, case.second.owner, case.second.device, case.second.only_v6) == (
        "::1",
        1000,
        "lo",
        True,
    )


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("sctp 0.0.0.0:80", "tcp 0.0.0.0:80", "a socket is `tcp|udp ADDRESS:PORT"),
        ("tcp 0.0.0.0:80 reuse", "tcp 0.0.0.0:80", "'reuse' is no state"),
        ("tcp 0.0.0.0:80", "tcp 0.0.0.0:80 listening", "the second socket has no state yet"),
        ("tcp 0.0.0.0:80", "tcp 0.0.0.0:81", "the ports differ"),
        ("udp 0.0.0.0:80 listening", "udp 0.0.0.0:80", "a UDP socket is never listening"),
        ("tcp 0.0.0:80", "tcp 0.0.0.0:80", "does not appear to be an IPv4 or IPv6 address"),
        ("tcp 0.0.0.0:70000", "tcp 0.0.0.0:70000", "a port is a number from 0 to 65535, not 70000"),
        ("tcp 0.0.0.0:0", "tcp 0.0.0.0:80", "one port is 0, which the kernel draws, and the other is 80"),
        ("tcp 0.0.0.0:80 listening bound", "tcp 0.0.0.0:80", "'bound' contradicts an earlier word"),
        ("tcp 0.0.0.0:80", "tcp 0.0.0.0:80 uid=1 uid=2", "'uid=2' contradicts an earlier word"),
        ("tcp 0.0.0.0:80 uid=4294967295", "tcp 0.0.0.0:80", "'uid=4294967295' is no state"),
        (
            "tcp 0.0.0.0:80 v6only",
            "tcp 0.0.0.0:80",
            "v6only keeps a socket out of IPv4, and 0.0.0.0 is an IPv4 address",
        ),
        ("tcp [::]:80", "tcp [::ffff:1.2.3.4]:80 v6only", "::ffff:1.2.3.4 is an IPv4 address"),
        ("udp 224.0.0.1:80", "udp 0.0.0.0:80", "224.0.0.1 is multicast: the rule is about"),
        ("udp [fe80::1]:80", "udp [::]:80", "fe80::1 is link-local: the rule is about"),
        ("tcp [::]:80 local=127.0.0.1", "tcp [::]:80", "a bound socket has none"),
        ("tcp [::]:80", "tcp [::]:80 local=127.0.0.1", "the second socket has no state yet: 'local=127.0.0.1'"),
        ("tcp [::]:80 connected local=0.0.0.0", "tcp [::]:80", "0.0.0.0 is no local address of a connection"),
        (
            "tcp [::]:80 v6only connected local=127.0.0.1",
            "tcp [::]:80",
            "127.0.0.1 is no local address of a connection",
        ),
        (
            "tcp 127.0.0.1:80 connected local=127.0.0.2",
            "tcp [::]:80",
            "has no connection with the local address 127.0.0.2",
        ),
        ("tcp 0.0.0.0:80 connected local=[::1]", "tcp [::]:80", "::1 is no local address of a connection of a socket"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(first, second, says):
    with pytest.raises(ValueError, match=says.replace("|", r"\|")):
        parse(first, second)


def test_the_explanation_says_what_happens_and_which_rule_decided():
    case = parse("tcp 0.0.0.0:80 reuseaddr", "tcp 0.0.0.0:80 reuseaddr")
    assert case.explain() == (
        "bind() succeeds and so does listen(), after which the first one's listen() fails with EADDRINUSE, "
        "because both set SO_REUSEADDR, and the first is not listening."
    )


@pytest.mark.parametrize(
    ("spelling", "address"), [("[0::0]", "::"), ("[0:0::1]", "::1"), ("[::ffff:7f00:1]", "::ffff:127.0.0.1")]
)
def test_an_address_is_the_same_however_it_is_spelled(spelling, address):
    assert parse(f"tcp {spelling}:80", "tcp [::]:80").first.address == address


@pytest.mark.parametrize(
    ("local", "narrowed", "second", "bind"),
    [
        ("", "::1", "127.0.0.1", "ok"),
        ("local=[::1]", "::1", "127.0.0.1", "ok"),
        ("local=127.0.0.1", "127.0.0.1", "127.0.0.1", "EADDRINUSE"),
        ("local=[::ffff:127.0.0.1]", "127.0.0.1", "127.0.0.1", "EADDRINUSE"),
        ("local=127.0.0.1", "127.0.0.1", "[::1]", "ok"),
        ("local=10.0.0.9", "10.0.0.9", "127.0.0.1", "ok"),
    ],
)
def test_the_local_address_of_a_connection_may_be_chosen(local, narrowed, second, bind):
    case = parse(f"tcp [::]:80 connected {local}", f"tcp {second}:80")
    assert (case.connected_to, case.predict().bind) == (narrowed, bind)
    assert parse(*case.spelled()).local == case.local


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("tcp [::]:80 connected", "tcp [::1]:80", "has the local address ::1 and an IPv6 peer; local=127.0.0.1, of an"),
        ("tcp 0.0.0.0:80 time-wait", "tcp 10.0.0.1:80", "has the local address 127.0.0.1 and an IPv4 peer"),
        ("tcp 0.0.0.0:80 reuseport", "tcp 0.0.0.0:80 reuseport", "one user opened both sockets"),
        ("tcp [::]:80", "tcp 0.0.0.0:80", "the first socket speaks IPv4 too"),
        ("tcp 0.0.0.0:80", "tcp [::]:80", "the second socket speaks IPv4 too"),
        ("tcp [::1]:80 fin-wait-2 reuseport", "tcp [::]:80 uid=7 reuseport", "TCP_LINGER2 is more than 60 s"),
    ],
)
def test_what_the_answer_silently_stands_on_is_said(first, second, says):
    assert [sentence for sentence in parse(first, second).assumed() if says in sentence]


def test_what_would_change_nothing_is_not_said():
    assert parse("tcp [::]:80 connected local=127.0.0.1", "tcp 127.0.0.1:80").assumed() == ()
    assert parse("tcp [::]:80", "tcp [::]:80").assumed() == ()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("tcp 0.0.0.0:0", "never the same one, since they overlap, and did not both"),
        ("tcp 0.0.0.0:0 reuseaddr reuseport", "never the same one, because they overlap, and over TCP no permission"),
        ("udp 0.0.0.0:0", "never the same one, since they overlap, and did not both"),
        ("udp 0.0.0.0:0 reuseaddr", "possibly the same one, because both set SO_REUSEADDR"),
        ("udp 0.0.0.0:0 reuseport", "possibly the same one, because both set SO_REUSEPORT"),
    ],
)
def test_port_0_is_two_ports_of_which_the_rule_says_whether_they_may_be_one(words, says):
    case = parse(words, words)
    assert case.predict().bind == "ok"
    assert f"the kernel draws a port for each bind(), {says}" in case.explain()
