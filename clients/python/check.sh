#!/usr/bin/env bash
# All that has to hold for the Python client. `build.sh` comes first; it is run here too.
set -euo pipefail
here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"
./build.sh
bin=$here/.venv/bin

echo "== generated code"
"$bin/python" scripts/generate.py --check
cmp LICENSE ../../LICENSE

echo "== format and lint"
"$bin/ruff" format --check .
"$bin/ruff" check .

echo "== types"
"$bin/mypy"

echo "== tests"
"$bin/pytest"

echo "== package"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$bin/python" -m build --no-isolation --outdir "$folder" . >"$folder/log" || { cat "$folder/log"; exit 1; }
"$bin/python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet --constraint constraints.txt "$folder"/*.whl
cp checks/installed.py "$folder/"
# As a user: from another folder, and with nothing of this one in the environment.
(cd "$folder" && env -u PYTHONPATH "$folder/venv/bin/python" installed.py)
