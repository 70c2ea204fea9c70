#!/usr/bin/env bash
# Downloads what is pinned and compiles the client, the driver, the example, and what snippets need. Offline from then on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

echo "== rust: download"
cargo fetch --locked
echo "== rust: compile the client, the driver and the example"
nice cargo build --release --locked --offline --workspace --lib --bins --examples
echo "== rust: compile what snippets need"
./snippet.sh --compile examples/tour.rs
