#!/usr/bin/env bash
# Runs a Rust program of one file that uses the client, against CLAUDE_RUNNER_ADDRESS with CLAUDE_RUNNER_TOKEN.
#
# usage: snippet.sh [--compile] FILE        --compile: only shows that it compiles
set -euo pipefail
action=run
if [[ "${1-}" == --compile ]]; then
  action=build
  shift
fi
[[ $# -eq 1 ]] || { sed -n '4s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2; }
file="$(realpath "$1")"
cd "$(dirname "${BASH_SOURCE[0]}")"

# A package of its own, as the program's author would have it, with the versions that are pinned here. tokio has the
# features that it has in the workspace: what was compiled there serves here.
package=target/snippet
mkdir -p "$package/src"
cp "$file" "$package/src/main.rs"
cp Cargo.lock "$package/Cargo.lock"
cat >"$package/Cargo.toml" <<'END'
[package]
name = "snippet"
edition = "2024"

[dependencies]
claude-runner-client = { path = "../.." }
futures-util = { version = "0.3", default-features = false }
tokio = { version = "1", features = ["io-std", "io-util", "macros", "net", "rt-multi-thread", "sync", "test-util", "time"] }

[workspace]
END
nice cargo "$action" --quiet --release --offline --manifest-path "$package/Cargo.toml" --target-dir target
