#!/usr/bin/env bash
# Runs a Go file, a whole `package main`, with this client: snippet.sh FILE. It is compiled as part of the driver's module, so
# that snippets about tracing find OpenTelemetry.
set -euo pipefail
file="$(realpath "${1:?which file? snippet.sh FILE}")"
started_in="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh
mkdir -p .build
folder="$(mktemp -d "$PWD/.build/snippet.XXXXXX")"
trap 'rm -rf "$folder"' EXIT
cp "$file" "$folder/main.go"
go -C driver build -o "$folder/snippet" "$folder/main.go"
cd "$started_in"
"$folder/snippet"
