#!/usr/bin/env bash
# Runs the example against CLAUDE_RUNNER_ADDRESS with CLAUDE_RUNNER_TOKEN.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec ../../node_modules/.bin/node example/main.ts
