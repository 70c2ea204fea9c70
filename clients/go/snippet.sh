#!/usr/bin/env bash
# Runs a Go snippet with this client: snippet.sh FILE. The file is a whole `package main`, or the statements of one as a page
# shows them, with ctx at hand. It is compiled as part of the driver's module, so that snippets about tracing find OpenTelemetry.
set -euo pipefail
file="$(realpath "${1:?which file? snippet.sh FILE}")"
started_in="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh
mkdir -p .build
folder="$(mktemp -d "$PWD/.build/snippet.XXXXXX")"
trap 'rm -rf "$folder"' EXIT
if grep -q '^package main' "$file"; then
  cp "$file" "$folder/main.go"
else
  {
    cat <<GO
package main

import (
	"context"
	"fmt"
	"log"

	clauderunner "$client"
)

// A snippet need not use all of them.
var _, _ = fmt.Print, log.Fatal

func main() {
	ctx := context.Background()
	_ = ctx
GO
    cat "$file"
    echo '}'
  } >"$folder/main.go"
fi
go -C driver build -o "$folder/snippet" "$folder/main.go"
cd "$started_in"
"$folder/snippet"
