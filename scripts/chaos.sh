#!/usr/bin/env bash
# Kills nodes (`kill -9`) at random moments under load and proves that nothing acknowledged is lost.
#
#   chaos.sh [--rounds N] [--seed S] [--database sqlite|postgres]    200 rounds on SQLite unless told otherwise
#   chaos.sh --damage N [--seed S]    flips bits in a stopped store's database or cuts it short, N times
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop_for() { echo "chaos.sh: $1" >&2; exit 1; }
source scripts/lib/tools.sh
source scripts/lib/postgres.sh
trap stop_postgres EXIT

need_rust
[[ " $* " != *" postgres "* ]] || start_postgres
cargo build --quiet --workspace --bins
export CODEPOP_BIN_DIR=$PWD/target/debug
target/debug/chaos "$@"
