#!/usr/bin/env bash
# Stands before the compiler of the workspace's crates: has it put counters into them, which may live in a file.
exec "$@" -C instrument-coverage -C llvm-args=-runtime-counter-relocation
