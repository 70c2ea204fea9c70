#!/usr/bin/env bash
# Generated code, types in Node and in browsers, style, tests, and the packed package in an empty folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
repository=$PWD/../..
export PATH="$repository/node_modules/.bin:$PATH"

./build.sh
echo "== generated code"
(cd "$repository" && node scripts/generate-check.ts)
echo "== types"
tsc -p tsconfig.json
echo "== types in a browser"
tsc -p tsconfig.browser.json
echo "== style"
(cd "$repository" && biome check --error-on-warnings clients/typescript)
echo "== tests"
vitest run --config vitest.config.ts
echo "== package"
node scripts/pack-check.ts
