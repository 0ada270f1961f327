#!/usr/bin/env bash
# A thin wrapper around `althing testnet`: `scripts/testnet.sh up`, `status`, `kill 2`, `down` and so on.
# It uses $ALTHING if that is set, else the binary that `make build` made, else the one on the path.
set -euo pipefail

built="${CARGO_TARGET_DIR:-$HOME/.cache/althing/target}/release/althing"
if [[ -z "${ALTHING:-}" ]]; then
  if [[ -x "$built" ]]; then ALTHING="$built"; else ALTHING="$(command -v althing || true)"; fi
fi
if [[ -z "$ALTHING" ]]; then
  echo "There is no binary yet: run make build first, or set ALTHING to it." >&2
  exit 1
fi
exec "$ALTHING" testnet "${@:---help}"
