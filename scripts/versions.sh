#!/usr/bin/env bash
# Runs nodes of this version with a node of an older one: builds the older one from this repository's history, in a folder
# of its own, and runs the scenario that needs it.
#
#   versions.sh [COMMIT]     the older version; unless named, the last one before roles, reports and machines came
#
#   CODEPOP_OLD_BIN_DIR=…    an older build that is there already
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop_for() { echo "versions.sh: $1" >&2; exit 1; }
source scripts/lib/tools.sh

# The last commit whose nodes know no machines, no reports and no audit trail.
commit=${1:-a34a60f}
folder=$PWD/target/versions

need_rust
if [[ -z ${CODEPOP_OLD_BIN_DIR:-} ]]; then
    need_program git git
    git cat-file -e "$commit^{commit}" 2>/dev/null ||
        stop_for "commit $commit is not in this copy's history: fetch all of it (git fetch --unshallow), or name an older build in CODEPOP_OLD_BIN_DIR"
    rm -rf "$folder/source"
    mkdir -p "$folder/source"
    git archive "$commit" | tar -x -C "$folder/source"
    echo "building $(git log -1 --format='%h (%cs) %s' "$commit")"
    (cd "$folder/source" && CARGO_TARGET_DIR=$folder/build cargo build --quiet --locked -p codepop-node --bin codepop-node)
    export CODEPOP_OLD_BIN_DIR=$folder/build/debug
fi
[[ -x $CODEPOP_OLD_BIN_DIR/codepop-node ]] || stop_for "$CODEPOP_OLD_BIN_DIR holds no codepop-node"

cargo build --quiet --workspace --bins
export CODEPOP_BIN_DIR=$PWD/target/debug
cargo test --quiet --workspace --test scenarios -- --exact --nocapture \
    versions::an_older_build_passes_on_what_it_does_not_know_and_applies_it_when_it_is_newer
