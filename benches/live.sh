#!/bin/bash
# How much of a link at full speed `portolan watch` loses, beside tcpdump that writes to /dev/null
# with a ring of the same size, taken in turn; needs root, tcpreplay and tcpdump:
#
#     cargo build --release
#     cargo bench --bench generate -- /tmp/live.pcap --packets 200000 --profile full
#     benches/live.sh /tmp/live.pcap [--rounds 5] [--seconds 10] [--ring 32] [--program PATH]
#
# Everything happens in two network namespaces, which are removed at the end. CPU is that of the
# whole program in microseconds for each packet; what the kernel does for the sender is not in it.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
rounds=5 seconds=10 ring=32 program=$here/target/release/portolan
capture=${1:?"name a capture to send"}
shift
while [ $# -gt 0 ]; do
    case $1 in
        --rounds) rounds=$2 ;;
        --seconds) seconds=$2 ;;
        --ring) ring=$2 ;;
        --program) program=$2 ;;
        *) echo "$1 is no option" >&2; exit 2 ;;
    esac
    shift 2
done

near=plnear$$ far=plfar$$
work=$(mktemp -d)
clean_up() {
    ip netns delete "$near" 2>/dev/null || true
    ip netns delete "$far" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
ip netns add "$near"
ip netns add "$far"
for space in "$near" "$far"; do
    ip netns exec "$space" sh -c 'echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6' >/dev/null
done
ip link add link0 netns "$near" type veth peer name link0 netns "$far"
ip -n "$near" link set link0 up
ip -n "$far" link set link0 up

# Sends for the time of a round; how many packets went out.
replay() {
    ip netns exec "$far" tcpreplay --topspeed --preload-pcap --loop 1000000 \
        --duration "$seconds" --intf1 link0 "$capture" >"$work/replay" 2>&1
    awk '/Successful packets:/ { print $3 }' "$work/replay"
}

# Runs a listener beside the replay: `measure NAME WORDS COMMAND…`, where WORDS are those by which it
# says that it listens. Sets `sent`, and leaves output and CPU time in files.
measure() {
    local name=$1 words=$2
    shift 2
    ip netns exec "$near" bash -c 'TIMEFORMAT="%U %S"; time "$@" 2>"$0.err" >"$0.out"' "$work/$name" "$@" \
        2>"$work/$name.cpu" &
    local shell=$!
    until grep -q "$words" "$work/$name.err" 2>/dev/null; do
        kill -0 "$shell" || { cat "$work/$name.err" >&2; exit 1; }
        sleep 0.05
    done
    sent=$(replay)
    pkill --signal TERM --parent "$shell"
    wait "$shell" || true
}

# CPU microseconds for each packet that was read.
cost() {
    awk -v read="$2" '{ printf "%.2f", ($1 + $2) * 1e6 / (read ? read : 1) }' "$work/$1.cpu"
}

printf '%-10s %10s %10s %10s %8s %8s\n' listener sent read dropped loss 'us/packet'
for _ in $(seq "$rounds"); do
    measure portolan 'goes on as' "$program" watch --site "$here/benches/site.toml" \
        --interface link0 --buffer-size "$ring" --format json
    read -r counted dropped < <(python3 -c '
import json, sys
report = json.load(open(sys.argv[1]))
print(report["totals"]["packets"], report["loss"]["kernel_drops"])' "$work/portolan.out")
    [ $((counted + dropped)) = "$sent" ] || echo "portolan: $counted + $dropped are not $sent" >&2
    row() { printf '%-10s %10s %10s %10s %7.2f%% %8s\n' "$1" "$sent" "$2" "$3" "$4" "$(cost "$1" "$2")"; }
    row portolan "$counted" "$dropped" "$(awk "BEGIN { print 100 * $dropped / $sent }")"

    measure tcpdump 'listening on' tcpdump --interface link0 --buffer-size $((ring * 1024)) -w /dev/null
    counted=$(awk '/packets captured/ { print $1 }' "$work/tcpdump.err")
    dropped=$(awk '/dropped by kernel/ { print $1 }' "$work/tcpdump.err")
    row tcpdump "$counted" "$dropped" "$(awk "BEGIN { print 100 * $dropped / $sent }")"
done
