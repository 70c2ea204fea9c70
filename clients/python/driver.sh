#!/usr/bin/env bash
# The driver of the behaviour suite, on stdin and stdout. `--async`: by the asyncio client.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -x "$here/.venv/bin/python" ] || { echo "run $here/build.sh first" >&2; exit 1; }
PYTHONPATH="$here" exec "$here/.venv/bin/python" -m driver "$@"
