#!/usr/bin/env bash
# snippet.sh FILE: runs a Python program that uses the client, against CLAUDE_RUNNER_ADDRESS with CLAUDE_RUNNER_TOKEN.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -gt 0 ] || { echo "usage: $0 FILE" >&2; exit 2; }
[ -x "$here/.venv/bin/python" ] || { echo "run $here/build.sh first" >&2; exit 1; }
exec "$here/.venv/bin/python" "$@"
