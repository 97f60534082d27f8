#!/usr/bin/env bash
# Installs what `make test` needs beyond Go: a C compiler (the race detector is
# linked by it), Lua 5.1 and PHP (scripts and the php module are held against
# the originals), OpenBSD netcat and socat (the examples are talked to as a
# reader would), git, vim and ed (what they do to files is a reload), ss (what
# the kernel says of a socket), memcached with clients in C, Python and PHP
# (memcached.lua is held against it). Says nothing when all of it is there.
set -euo pipefail

missing=()
# need PACKAGE COMMAND...: PACKAGE is missing when COMMAND fails.
need() {
	local package=$1
	shift
	if ! "$@" >/dev/null 2>&1; then missing+=("$package"); fi
}
# Other netcats answer to the same name with other flags.
openbsd_nc() { local usage; usage=$(nc -h 2>&1) || true; [[ $usage == OpenBSD* ]]; }
php_has() { php -r 'exit(extension_loaded($argv[1]) ? 0 : 1);' "$1"; }
c_compiler() { echo 'int main(void) { return 0; }' | cc -x c -o /dev/null -; }

need lua5.1 command -v lua5.1
need netcat-openbsd openbsd_nc
need php-cli command -v php
need git command -v git
need vim command -v vim
need ed command -v ed
need socat command -v socat
need iproute2 command -v ss
need memcached command -v memcached
need libmemcached-tools command -v memccapable
need python3-pymemcache /usr/bin/python3 -c 'import pymemcache'
need php-memcached php_has memcached
need gcc command -v cc
if [[ ! " ${missing[*]-} " == *" gcc "* ]]; then need libc6-dev c_compiler; else missing+=(libc6-dev); fi

if ! command -v go >/dev/null 2>&1; then
	echo "tests/setup.sh: Go is not installed; go.mod names the version, https://go.dev/dl has it" >&2
	exit 1
fi
if ((${#missing[@]} == 0)); then exit 0; fi

by_hand() {
	echo "tests/setup.sh: the tests need ${missing[*]} (names of Debian packages); $1" >&2
	exit 1
}
if ! command -v apt-get >/dev/null 2>&1; then
	by_hand "there is no apt-get here, so please install them by hand"
fi
as_root=()
if [[ $(id -u) != 0 ]]; then
	if ! command -v sudo >/dev/null 2>&1; then
		by_hand "run as root: apt-get install ${missing[*]}"
	fi
	as_root=(sudo)
	# Ask for a password only where somebody can type one.
	if [[ ! -t 0 ]]; then as_root=(sudo -n); fi
fi

install() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}
echo "tests/setup.sh: installing ${missing[*]}"
# A fresh image has no package lists yet; an old one has stale ones.
install || { "${as_root[@]}" apt-get update -q && install; } ||
	by_hand "apt-get could not install them, see above"
