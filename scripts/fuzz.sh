#!/usr/bin/env bash
# Feeds the doors of node and gateway with made-up input and looks for panics and broken promises (tests/fuzz). Each target
# begins with what it learnt before, kept under target/fuzz/. Of a finding the file is named; given to the program that found
# it (target/fuzz/build/*/release/TARGET FILE), it repeats it.
#
#   fuzz.sh [--seconds N] [--jobs N] [TARGET…]   each target for so long (600), so many at a time (as many as cores)
#
# Targets: events snapshot frames json token
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop_for() { echo "fuzz.sh: $1" >&2; exit 1; }
source scripts/lib/tools.sh

seconds=600
jobs=$(nproc)
targets=()
while (($#)); do
    case $1 in
        --seconds | --jobs)
            [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || stop_for "$1 wants a number from 1"
            if [[ $1 == --seconds ]]; then seconds=$2; else jobs=$2; fi
            shift
            ;;
        -h | --help) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
        events | snapshot | frames | json | token) targets+=("$1") ;;
        *) stop_for "\"$1\" is no target: events, snapshot, frames, json or token" ;;
    esac
    shift
done
((${#targets[@]})) || targets=(events snapshot frames json token)

need_rust
cargo +nightly --version >/dev/null 2>&1 || stop_for "the nightly compiler is missing: rustup toolchain install nightly"
export PATH="$PWD/target/tools/cargo/bin:$PATH"
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "installing cargo-fuzz"
    cargo install --quiet --locked --root target/tools/cargo cargo-fuzz || stop_for "cargo-fuzz could not be installed"
fi

work=$PWD/target/fuzz
mkdir -p "$work/logs"
# Rust that forbids unsafe code gains nothing from a sanitizer, and runs at twice the speed without.
# In one piece, as is usual, the node alone takes ten minutes and 9 GB.
options=(--fuzz-dir tests/fuzz --sanitizer none --codegen-units 16 --target-dir "$work/build")
echo "building (some minutes the first time)"
cargo +nightly fuzz build "${options[@]}" >"$work/logs/build" 2>&1 || {
    tail -n 40 "$work/logs/build"
    stop_for "the targets do not build"
}

# built PROGRAM: where it is.
built() { find "$work/build" -path "*/release/$1" -type f | head -n 1; }

if [[ ! -d $work/corpus ]]; then
    echo "taking seeds from a chain with test data"
    rm -rf "$work/chain"
    cargo run --quiet -p codepop-node -- seed --profile demo --days 3 --dir "$work/chain" >"$work/logs/seed"
    "$(built seeds)" "$work/chain" "$work/corpus"
fi

# fuzz TARGET: runs one; its log says what it did. Not by cargo, which would build anew what somebody edits meanwhile.
fuzz() {
    mkdir -p "$work/corpus/$1" "$work/artifacts/$1"
    "$(built "$1")" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -artifact_prefix="$work/artifacts/$1/" \
        -print_final_stats=1 "$work/corpus/$1" >"$work/logs/$1" 2>&1
}

status=0
declare -A running=()
for target in "${targets[@]}"; do
    while ((${#running[@]} >= jobs)); do
        finished=
        wait -n -p finished "${!running[@]}" || status=1
        [[ -z $finished ]] || unset "running[$finished]"
    done
    echo "$target: $seconds s"
    fuzz "$target" &
    running[$!]=$target
done
for pid in "${!running[@]}"; do wait "$pid" || status=1; done

for target in "${targets[@]}"; do
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/logs/$target")
    found=$(find "$work/artifacts/$target" -type f | wc -l)
    echo "$target: ${runs:-no} inputs, $found findings"
    [[ $found == 0 ]] || { tail -n 15 "$work/logs/$target"; find "$work/artifacts/$target" -type f; status=1; }
done
exit "$status"
