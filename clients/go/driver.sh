#!/usr/bin/env bash
# The driver of the behaviour suite. Nothing but its answers goes to stdout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh
go -C driver build -o ../.build/driver . >&2
exec .build/driver
