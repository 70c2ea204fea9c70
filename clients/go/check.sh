#!/usr/bin/env bash
# Everything that has to hold for the Go client: generated code, format, lint, tests, and that it can be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh
modules=(. driver)

echo "== generated code"
./generate.sh --check

echo "== format"
unformatted="$(gofmt -l .)"
if [[ -n "$unformatted" ]]; then
  printf 'not formatted, run gofmt -w:\n%s\n' "$unformatted" >&2
  exit 1
fi

for module in "${modules[@]}" tools; do
  echo "== go.mod of $module"
  go -C "$module" mod tidy -diff
done

for module in "${modules[@]}"; do
  echo "== lint $module"
  go -C "$module" vet ./...
  go -C "$module" tool -modfile="$PWD/tools/go.mod" staticcheck ./...
done

echo "== tests"
go test -race -timeout 5m ./...

echo "== use it from an empty folder"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
# What a module version has in it: the files of git's, without the modules of their own below.
git ls-files --cached --others --exclude-standard -- . ':!driver' ':!tools' |
  tar --create --files-from - | tar --extract --directory "$folder" --one-top-level=published
mkdir "$folder/user"
cat >"$folder/user/main.go" <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
	"google.golang.org/grpc/codes"
)

func main() {
	client, err := clauderunner.New("127.0.0.1:1", clauderunner.WithoutRetry())
	if err != nil {
		panic(err)
	}
	defer client.Close()
	_, err = client.ChatPrompt(context.Background(), "Say hello")
	var failure *clauderunner.Error
	if !errors.As(err, &failure) || failure.Code != codes.Unavailable {
		fmt.Println("not what a client without a server has to say:", err)
		os.Exit(1)
	}
	fmt.Println("a program in an empty folder uses the module")
}
GO
(
  cd "$folder/user"
  go mod init example.test/user 2>/dev/null
  go mod edit -require="$client@v0.0.0" -replace="$client=$folder/published"
  go mod tidy 2>/dev/null
  go run .
)
