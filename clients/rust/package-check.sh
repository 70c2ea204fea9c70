#!/usr/bin/env bash
# Packs the crate, and uses what was packed in a program outside of the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
here="$PWD"
outside="$(mktemp -d)"
trap 'rm -rf "$outside"' EXIT

# Packed from the work tree as it is; what it compiles to is seen below.
rm -f target/package/*.crate
cargo package --quiet --locked --offline --no-verify --allow-dirty
tar -xzf target/package/claude-runner-client-*.crate -C "$outside"
mv "$outside"/claude-runner-client-* "$outside/crate"
diff -r ../proto "$outside/crate/proto"
diff ../../LICENSE "$outside/crate/LICENSE"

mkdir -p "$outside/program/src"
cp Cargo.lock "$outside/program/Cargo.lock"
cat >"$outside/program/Cargo.toml" <<'END'
[package]
name = "program"
edition = "2024"

[dependencies]
claude-runner-client = { path = "../crate" }
tokio = { version = "1", features = ["io-std", "io-util", "macros", "net", "rt-multi-thread", "sync", "test-util", "time"] }
END
cat >"$outside/program/src/main.rs" <<'END'
use claude_runner_client::Client;

#[tokio::main]
async fn main() {
    // Nobody listens on port 1.
    match Client::builder("127.0.0.1:1").connect().await {
        Ok(client) => panic!("connected: {client:?}"),
        Err(error) => println!("{}", error.code_name()),
    }
}
END
# From outside, so that no setting of the repository applies. With tokio's features as they are in the workspace, the
# dependencies were compiled before.
said="$(cd "$outside/program" && nice cargo run --quiet --release --offline --target-dir "$here/target")"
[[ "$said" == UNAVAILABLE ]] || { echo "the program that uses the package said: $said" >&2; exit 1; }
echo "packed, and used from outside: $(basename target/package/claude-runner-client-*.crate)"
