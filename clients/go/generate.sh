#!/usr/bin/env bash
# Writes runnerv1/ from the contract. `--check` writes nothing and fails when what is there is stale.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh

if ! command -v buf >/dev/null; then
  echo "buf is missing: run \`npm ci\` in the repository" >&2
  exit 1
fi
fresh="$PWD/.build/generated"
(cd "$repository" && buf generate --template clients/go/buf.gen.yaml --output "$fresh")
if diff -rq runnerv1 "$fresh/clients/go/runnerv1" >/dev/null; then
  echo "runnerv1 is up to date"
elif [[ "${1:-}" == --check ]]; then
  diff -rq runnerv1 "$fresh/clients/go/runnerv1" >&2 || true
  echo "runnerv1 is not up to date: run clients/go/generate.sh and commit what changes" >&2
  exit 1
else
  rm -rf runnerv1
  cp -R "$fresh/clients/go/runnerv1" runnerv1
  echo "runnerv1 is written anew"
fi
