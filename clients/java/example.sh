#!/usr/bin/env bash
# Runs the example against CLAUDE_RUNNER_ADDRESS with CLAUDE_RUNNER_TOKEN.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$here/build.sh" >&2
target="$here/example/target"
exec java -cp "$target/classes:$(<"$target/classpath.txt")" io.github.clauderunner.example.Example
