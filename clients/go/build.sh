#!/usr/bin/env bash
# Generates what is generated and compiles client, driver and example, the latter two into .build/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh

echo "== modules"
for module in . driver tools; do go -C "$module" mod download; done

echo "== generate"
if command -v buf >/dev/null; then
  ./generate.sh
else
  echo "left out, since buf is missing (\`npm ci\` in the repository brings it): the committed code is used"
fi

echo "== compile"
go build ./...
go build -o .build/example ./example
go -C driver build -o ../.build/driver .
