#!/usr/bin/env bash
# Builds the program and lays out the root folder of an image that has it and nothing else: no shell, no other program.
#
#   deploy/build.sh ROOT             builds everything for production first
#   deploy/build.sh ROOT PROGRAM     takes a program that was built before
#
# ROOT is made, and should be empty. What is needed to build is what `.ci/run` needs.
set -euo pipefail

case $# in
  1 | 2) ;;
  *)
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
root=$1
program=${2:-}

if [[ -z $program ]]; then
  cd "$(dirname "$0")/.."
  cargo xtask web
  cargo build --release --locked --package cossistant
  program=target/release/cossistant
fi

install -D --mode 0755 "$program" "$root/usr/bin/cossistant"
# The libraries that it is linked to, and the loader.
ldd "$program" | grep --only-matching '/[^ ]*' | while read -r library; do
  install -D --mode 0755 "$library" "$root$library"
done
# How the names of hosts are looked up; without it glibc would ask the network alone.
install -d "$root/etc"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
# Whom it runs as, and where that may write.
echo 'cossistant:x:65532:65532::/data:/' >"$root/etc/passwd"
echo 'cossistant:x:65532:' >"$root/etc/group"
install -d --mode 0700 "$root/data"
