#!/bin/sh
# A NAT router by Open vSwitch's userspace datapath. What it is told, as docs/foreign.md says:
#   INSIDE   10.7.1.2      its address inside; that interface is left as it is
#   OUTSIDE  198.18.7.2    its address outside; what goes through that interface goes through Open vSwitch
# and, of its own:
#   PORTS    1024-65535    translate to these. Unset: a port is kept where the tuple is free, else the next one is taken
#
#   inside --- kernel's routing --- nat0 = nat1 --- Open vSwitch, ct(nat) --- wire1 = wire0 --- outside
#                                     (veth)                                    (veth)     (tc)
#
# OpenFlow asks no ARP questions, so the kernel goes on resolving, on nat0, with the outside interface's own MAC. What
# arrives outside is redirected before the kernel's IP sees it. The veth pairs may not offload: between containers
# checksums are unfinished and packets come in lumps, which Open vSwitch refuses.
set -eu

carrying() {  # the interface that has this address
    ip -o -4 addr show | awk -v want="$1" '{ split($4, have, "/") } have[1] == want { print $2; exit }'
}

pair() {  # the kernel's end, then Open vSwitch's
    ip link add "$1" type veth peer name "$2"
    ethtool -K "$1" tx off tso off gso off tx-udp-segmentation off >/dev/null
    ip link set "$2" up
}

redirect() {  # what comes in here goes out there
    tc qdisc add dev "$1" ingress
    tc filter add dev "$1" parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev "$2"
}

inside=$(carrying "$INSIDE") outside=$(carrying "$OUTSIDE")
[ -n "$inside" ] && [ -n "$outside" ] || { echo "no interface has $INSIDE, or none has $OUTSIDE" >&2; exit 1; }
network=$(ip -4 route show dev "$outside" proto kernel scope link | awk '{ print $1; exit }')

export OVS_RUNDIR=/run/openvswitch OVS_LOGDIR=/run/openvswitch
mkdir -p "$OVS_RUNDIR"
db="$OVS_RUNDIR/conf.db"
[ -e "$db" ] || ovsdb-tool create "$db" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server "$db" --remote="punix:$OVS_RUNDIR/db.sock" --pidfile --detach --no-chdir -vconsole:warn -vsyslog:off
ovs-vsctl --no-wait init
# The datapath called "dummy" is the userspace one without a tap device, which containers seldom have.
ovs-vswitchd --enable-dummy --pidfile -vconsole:warn -vsyslog:off &
vswitchd=$!

pair nat0 nat1
pair wire0 wire1
ip link set wire0 up
ip link set nat0 address "$(cat "/sys/class/net/$outside/address")" up
ovs-vsctl add-br nat -- set bridge nat datapath_type=dummy fail_mode=secure \
    -- add-port nat nat1 -- set interface nat1 ofport_request=1 \
    -- add-port nat wire1 -- set interface wire1 ofport_request=2
[ "$(ovs-vsctl get interface nat1 ofport) $(ovs-vsctl get interface wire1 ofport)" = "1 2" ] \
    || { echo "Open vSwitch could not open its ports: is NET_RAW missing?" >&2; exit 1; }
ovs-ofctl add-flows nat - <<FLOWS
table=0 in_port=1 arp actions=set_field:$OUTSIDE->arp_spa,output:2
table=0 in_port=2 arp actions=output:1
table=0 in_port=1 ip  actions=ct(commit,zone=1,nat(src=$OUTSIDE${PORTS:+:$PORTS})),output:2
table=0 in_port=2 ip  actions=ct(zone=1,nat,table=1)
table=1 ct_state=+trk+est-inv ip actions=output:1
table=1 ct_state=+trk+rel-inv ip actions=output:1
FLOWS

ip route replace "$network" dev nat0 scope link src "$OUTSIDE"
redirect "$outside" wire0
redirect wire0 "$outside"
echo "ready: $inside is inside, $outside is outside"
trap 'exit 0' TERM INT
wait "$vswitchd"
