#!/usr/bin/env bash
# Fuzzes every target, or those that are named, for some seconds each: scripts/fuzz.sh SECONDS [TARGET...]
# `scripts/fuzz.sh --check` says whether this machine can, and what it lacks. New inputs stay beside the build products;
# what breaks a property is kept in fuzz/artifacts, and the last line counts. SEED=N begins the search as another run with
# that seed did; without it every run searches elsewhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lacking=""
cargo +nightly --version >/dev/null 2>&1 || lacking+=" a nightly compiler (rustup toolchain install nightly),"
cargo fuzz --version >/dev/null 2>&1 || lacking+=" cargo-fuzz (cargo install cargo-fuzz --locked),"
if [[ -n "$lacking" ]]; then
  echo "fuzzing needs${lacking%,}"
  exit 3
fi
[[ "${1:-}" == --check ]] && exit 0

seconds="${1:?how many seconds for each target}"
shift
products="${CARGO_TARGET_DIR:-$HOME/.cache/althing/target}/fuzz"
# Our code has no unsafe blocks, so that the address sanitizer would slow the search down and find little.
sanitizer="${SANITIZER:-none}"
host="$(rustc +nightly -vV | sed -n 's/^host: //p')"
names=("$@")
if [[ ${#names[@]} -eq 0 ]]; then
  mapfile -t names < <(basename --suffix=.rs -- fuzz/fuzz_targets/*.rs)
fi

# A target alone is built quicker than all of them.
only=()
[[ $# -ne 1 ]] || only=("$1")
export CARGO_TERM_COLOR=never
cargo +nightly fuzz build --release --sanitizer "$sanitizer" --target-dir "$products" "${only[@]}"

# The longest input of a target: longer ones are slower, and reach nothing more.
longest() {
  case "$1" in
    replica) echo 32768 ;;
    frame | batch | summary_proof | fork_proof | log_folder) echo 16384 ;;
    *) echo 4096 ;;
  esac
}

findings=0
executions=0
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
for name in "${names[@]}"; do
  mkdir -p "$products/corpus/$name" "fuzz/artifacts/$name"
  if "$products/$host/release/$name" "$products/corpus/$name" "fuzz/corpus/$name" -max_total_time="$seconds" \
    -seed="${SEED:-0}" -max_len="$(longest "$name")" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="fuzz/artifacts/$name/" >"$log" 2>&1; then
    verdict="no finding"
  else
    findings=$((findings + 1))
    verdict="FINDING"
    # What broke, from the panic to the input in base64: the whole backtrace says little more.
    grep -n -A 3 -E "panicked at|^==[0-9]+== ?ERROR|^ALARM" "$log" | head -n 20 || true
    grep -E "^(SUMMARY|MS|Base64|artifact_prefix)" "$log" || true
    tail -n 8 "$log"
    echo "again with: cargo run --release -p althing-tests-fuzzing -- replay $name fuzz/artifacts/$name/*"
  fi
  ran="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  covered="$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)"
  executions=$((executions + ${ran:-0}))
  echo "$name: $verdict, ${ran:-0} executions, ${covered:-0} edges"
done
echo "fuzzed ${#names[@]} targets for $seconds s each: $findings findings, $executions executions"
[[ $findings -eq 0 ]]
