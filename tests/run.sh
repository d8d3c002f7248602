#!/usr/bin/env bash
# `make test`: everything, with a summary at the end. Each step is a command that a person can run alone.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export JOCH_DIST=$PWD/dist
summary=()
failed=0

step() { # step NAME COMMAND…
  local name=$1 began=$SECONDS; shift
  printf '\n==> %s: %s\n' "$name" "$*"
  if "$@"; then
    summary+=("ok      $name ($((SECONDS - began)) s)")
  else
    summary+=("FAILED  $name ($((SECONDS - began)) s): $*")
    failed=1
    return 1
  fi
}
skip() { summary+=("SKIPPED $1: $2"); printf '\n==> SKIPPED %s: %s\n' "$1" "$2"; }
finish() {
  printf '\n==> summary\n'
  printf '  %s\n' "${summary[@]}"
  exit "$failed"
}
must() { step "$@" || finish; }

scope=(--release --workspace)
must build make --no-print-directory build CARGO_SCOPE="--workspace --all-targets"
must "examples in other languages" make --no-print-directory languages CARGO_SCOPE="--workspace --all-targets"
step format cargo fmt --all --check
step clippy cargo clippy "${scope[@]}" --all-targets -- -D warnings
step "unit and golden tests, rules" cargo test "${scope[@]}" --no-fail-fast
step "control-plane suite" env JOCH_SUITE=1 cargo test "${scope[@]}" --test cluster
if [ "$(id -u)" = 0 ]; then
  must "node's programs" make --no-print-directory node
  step devcluster make --no-print-directory -C devcluster test BIN="$JOCH_DIST/bin"
  step "node stories" env JOCH_NODE=1 cargo test "${scope[@]}" --test node
else
  step devcluster make --no-print-directory -C devcluster test BIN="$JOCH_DIST/bin"
  skip "node stories" "a node needs root; run make test as root"
fi
finish
