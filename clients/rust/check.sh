#!/usr/bin/env bash
# Everything that has to hold for the Rust client: format, lints, tests, and that the package installs. No network is
# needed after `build.sh`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

echo "== rust: format"
cargo fmt --all --check
echo "== rust: lints"
nice cargo clippy --locked --offline --workspace --all-targets -- -D warnings
nice cargo clippy --locked --offline --no-default-features -- -D warnings
echo "== rust: documentation"
RUSTDOCFLAGS="-D warnings" nice cargo doc --quiet --locked --offline --no-deps
echo "== rust: tests"
nice cargo test --quiet --release --locked --offline --workspace
echo "== rust: the package"
./package-check.sh
