# What all scripts here have in common; sourced by them, from this folder.
repository="$(cd ../.. && pwd)"
client=github.com/claude-runner/claude-runner/clients/go
# A workspace of the user's own changes nothing, and neither does the state of the checkout.
export GOWORK=off GOFLAGS="${GOFLAGS:-} -buildvcs=false"
# buf and the Node that runs it.
export PATH="$repository/node_modules/.bin:$PATH"
