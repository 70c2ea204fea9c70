#!/usr/bin/env bash
# Runs the example against the server in CLAUDE_RUNNER_ADDRESS, with the token in CLAUDE_RUNNER_TOKEN.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh
go build -o .build/example ./example
exec .build/example
