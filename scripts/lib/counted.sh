#!/usr/bin/env bash
# Stands before the compiler of the workspace's crates: has it put counters into them.
exec "$@" -C instrument-coverage
