#!/usr/bin/env bash
# Makes .venv, with the client and with all that checks, drives and shows it, at the pinned versions. Does nothing when it
# is there already and none of its lists has changed. PYTHON names another Python, 3.10 or newer, than python3.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python3}

# The folder is part of the stamp, since a venv cannot be moved.
stamp=$({ pwd; "$python" --version; cat pyproject.toml constraints.txt dev-requirements.txt driver/requirements.txt; } | cksum)
if [ "$(cat .venv/stamp 2>/dev/null)" = "$stamp" ]; then
  echo "== .venv is up to date"
else
  echo "== $("$python" --version): .venv"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10) and "needs Python 3.10 or newer: set PYTHON")'
  "$python" -m venv --clear .venv
  pip=(.venv/bin/python -m pip --disable-pip-version-check install --quiet --require-virtualenv --constraint constraints.txt)
  "${pip[@]}" --requirement dev-requirements.txt --requirement driver/requirements.txt
  echo "== the client"
  "${pip[@]}" --no-build-isolation --editable .
  echo "$stamp" > .venv/stamp
fi
# Compiled ahead, so that programs start quickly.
.venv/bin/python -m compileall -q src driver example
