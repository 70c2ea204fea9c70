#!/usr/bin/env bash
# Runs a snippet of a README: `snippet.sh FILE` with its text in FILE, against CLAUDE_RUNNER_ADDRESS with
# CLAUDE_RUNNER_TOKEN. It imports the package by its name, so `./build.sh` has to have run.
set -euo pipefail
snippet=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"
# Inside of the package, so that its own name resolves.
copy="$PWD/.snippet-$$.ts"
trap 'rm -f "$copy"' EXIT
cp "$snippet" "$copy"
../../node_modules/.bin/node "$copy"
