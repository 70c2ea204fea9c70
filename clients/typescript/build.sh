#!/usr/bin/env bash
# Compiles the client to JavaScript with declarations. The repository's `npm ci` has installed all it needs, and the
# driver and the examples run as they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export PATH="$PWD/../../node_modules/.bin:$PATH"

echo "== compile"
npm run --silent build
