#!/usr/bin/env bash
# The driver of the behaviour suite: commands on stdin, answers on stdout. Needs build.sh first.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target="$here/driver/target"
[[ -e $target/classpath.txt ]] || { echo "$here/build.sh has to run first" >&2; exit 1; }
exec java -cp "$target/classes:$(<"$target/classpath.txt")" io.github.clauderunner.driver.Driver
