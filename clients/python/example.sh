#!/usr/bin/env bash
# Runs the example against CLAUDE_RUNNER_ADDRESS (127.0.0.1:7433) with CLAUDE_RUNNER_TOKEN.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -x "$here/.venv/bin/python" ] || { echo "run $here/build.sh first" >&2; exit 1; }
exec "$here/.venv/bin/python" "$here/example/example.py" "$@"
