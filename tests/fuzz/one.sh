#!/bin/sh
# one.sh SECONDS TARGET: runs one built target and prints a line about it; see run.sh. A run of at most a
# minute repeats the same inputs, so that it fails only because of a change; a longer one tries others.
set -eu
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$PWD/target}
seed=1
[ "$1" -le 60 ] || seed=0
mkdir -p "corpus/$2" "artifacts/$2" logs
# A leak is no finding, because the programs end; and no parser may take 2 GiB.
"$target/x86_64-unknown-linux-gnu/release/$2" "corpus/$2" -artifact_prefix="artifacts/$2/" \
    -max_total_time="$1" -seed="$seed" -timeout=10 -rss_limit_mb=2048 -detect_leaks=0 -print_final_stats=1 \
    >"logs/$2" 2>&1 && result=good || result=FOUND
awk -v name="$2" -v result="$result" '
    { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "ft:") ft = $(i + 1) } }
    /^#[0-9]/ { runs = substr($1, 2) }
    /stat::number_of_executed_units/ { runs = $2 }
    END { printf "%-16s %9d executions %6d edges %6d features  %s\n", name, runs, cov, ft, result }
' "logs/$2"
[ "$result" = good ] || {
    # The input itself, since a run on another machine seldom finds the same.
    grep -e 'Base64:' -e 'panicked at' "logs/$2" >&2 || true
    grep -v -e '^#[0-9]' -e 'INFO:' "logs/$2" | head -n 60 >&2
    exit 1
}
