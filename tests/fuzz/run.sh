#!/bin/sh
# Runs every fuzz target, or those that are named, for some seconds each, two at a time. Prints what was
# executed and covered.
#
#   tests/fuzz/run.sh 20
#   tests/fuzz/run.sh 600 container patch
#
# It needs cargo-fuzz. The flags of the fuzzer are for nightly compilers; with RUSTC_BOOTSTRAP the pinned
# compiler takes them, so that no second toolchain is needed.
set -eu
export LC_ALL=C RUSTC_BOOTSTRAP=1
seconds=$1
shift
cd "$(dirname "$0")"
cargo fuzz build --fuzz-dir . >&2
[ $# -gt 0 ] || set -- $(cargo fuzz list --fuzz-dir .)
printf '%s\n' "$@" | xargs -P 2 -n 1 ./one.sh "$seconds"
