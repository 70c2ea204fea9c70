#!/usr/bin/env bash
# snippet.sh FILE: runs a snippet with the client, against CLAUDE_RUNNER_ADDRESS with CLAUDE_RUNNER_TOKEN. FILE is a program of
# one file, or imports and statements as a page shows them, whatever its name.
set -euo pipefail
[[ $# == 1 ]] || { echo "usage: snippet.sh FILE" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$here/build.sh" >&2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
program="$scratch/Snippet.java"
if grep -q 'void main(' "$1"; then
  cp "$1" "$program"
else
  {
    grep '^import ' "$1" || true
    echo 'class Snippet { public static void main(String[] arguments) throws Exception {'
    grep -v '^import ' "$1"
    echo '}}'
  } >"$program"
fi
java -cp "$(<"$here/example/target/classpath.txt")" "$program"
