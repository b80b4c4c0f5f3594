#!/bin/sh
# Gets what tests run in network namespaces, on Debian or a system like it: the TFTP servers and
# clients of tests/integration/peers.rs, what sends to tests/integration/live_capture.rs, the virtual
# machine of tests/integration/lab.rs with what it boots from, and what
# tests/integration/privileges.rs looks with. Does nothing where they are there.
set -eu
cd "$(dirname "$0")/.."
peers=$PWD/target/peers
packages="atftp curl dnsmasq-base iproute2 libpcre2-8-0 libwrap0 tcpdump tftp-hpa util-linux"
packages="$packages ethtool ipxe ipxe-qemu nftables ovmf procps pxelinux python3 qemu-system-x86 seabios syslinux-common"
packages="$packages libcap2-bin strace tcpreplay"
# These packages exclude each other, and would start what is in them: they are only unpacked.
servers="atftpd tftpd-hpa"

if ! command -v apt-get >/dev/null || { [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; }; then
    echo "SKIPPED: TFTP peers need apt-get, and root or sudo" >&2
    # In CI they are wanted.
    [ -z "${CI-}" ]
    exit
fi
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
is_there() {
    for package in $packages; do
        dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q ' installed' || return 1
    done
    for server in $servers; do
        [ -d "$peers/$server" ] || return 1
    done
}
if is_there; then
    exit
fi
as_root apt-get update --quiet
# shellcheck disable=SC2086
as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends $packages
for server in $servers; do
    rm -rf "$peers/$server.new" "$peers/$server"
    mkdir -p "$peers/$server.new"
    (cd "$peers/$server.new" && apt-get download --quiet "$server" && dpkg-deb --extract "$server"_*.deb .)
    mv "$peers/$server.new" "$peers/$server"
done
