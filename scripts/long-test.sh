#!/usr/bin/env bash
# Runs tests that say how far they are, and says at the end once more what came of them:
#   scripts/long-test.sh FILTER
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

output="$(mktemp)"
trap 'rm -f "$output"' EXIT

ended=0
cargo test --release --locked --workspace --test all "$1" -- --nocapture 2>&1 | tee "$output" || ended=$?
# The tests print this line themselves; after it come those of cargo.
if ! grep -E '^(skipped: .*|[0-9]+ (cycles|power cuts), [0-9]+ acknowledged transactions lost)$' "$output" | tail -n 1; then
  echo "$1 came to no result; its output says why" >&2
  exit 1
fi
exit "$ended"
