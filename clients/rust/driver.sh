#!/usr/bin/env bash
# Carries out the commands of the behaviour suite, from stdin to stdout. `build.sh` comes first.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/target/release/claude-runner-driver"
