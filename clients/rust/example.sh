#!/usr/bin/env bash
# Runs the example against CLAUDE_RUNNER_ADDRESS with CLAUDE_RUNNER_TOKEN. `build.sh` comes first.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/target/release/examples/tour"
