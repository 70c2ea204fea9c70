#!/usr/bin/env bash
# The TypeScript client's part in the behaviour suite: commands on stdin, answers on stdout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec ../../node_modules/.bin/node driver/main.ts
