#!/usr/bin/env bash
# The protocol in virtual time: builds the simulation and runs seeds of it, each a small chain under faults that must be
# equal again once they end; a failing seed is printed and can be run again. Or, with --fleet, how a change reaches 1,007
# nodes at WAN delays: a table, and the picture docs/propagation.svg.
#
#   simulate.sh [--seeds N] [--seed S] [--nodes N]   N seeds (1) from S (1) on, of 4 to 9 nodes, or of N
#   simulate.sh --fleet [--nodes N]                  chains of 50 to 1,007 nodes, or of N
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop_for() { echo "simulate.sh: $1" >&2; exit 1; }
source scripts/lib/tools.sh

need_rust
echo "building the simulation (the first time takes some minutes)"
cargo build --quiet --release --workspace --bin simulate
echo "$(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1); version $(git describe --always --dirty 2>/dev/null || echo unknown)"
exec target/release/simulate "$@"
