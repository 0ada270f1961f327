# Entry points for people. CI runs the same commands through `.ci/run`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Build products live outside the checkout, so that a fresh clone can reuse them.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/althing/target

# How many seeds `make simulate` runs.
SEEDS ?= 5000
# Further options for `make test`, for example `TEST_FLAGS=--no-fail-fast`.
TEST_FLAGS ?=

RUST_VERSION = $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

.PHONY: help setup build test lint doc fmt simulate ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the build needs, or say what is missing
	@if ! command -v cc >/dev/null; then \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y build-essential; \
	  else \
	    echo "A C linker (cc) is missing. Debian and Ubuntu: sudo apt-get install build-essential." >&2; \
	    echo "Fedora: sudo dnf install gcc. macOS: xcode-select --install." >&2; \
	    exit 1; \
	  fi; \
	fi
	@if ! command -v cargo >/dev/null; then \
	  echo "Rust $(RUST_VERSION) or later is missing. Install rustup from https://rustup.rs," >&2; \
	  echo "then run: rustup toolchain install stable --component clippy,rustfmt" >&2; \
	  exit 1; \
	fi
	@echo "setup: cc and $$(cargo --version) are present; Rust $(RUST_VERSION) or later is needed"

build: ## build the release binary and say where it is
	cargo build --release --locked
	@echo "The binary is $(CARGO_TARGET_DIR)/release/althing"

test: ## run every test: units, tidy, conformance, simulation
	cargo test --release --locked --workspace $(TEST_FLAGS)

lint: ## run clippy on everything; a warning is an error
	cargo clippy --release --workspace --all-targets --locked -- -D warnings

doc: ## build the documentation, private items included
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --document-private-items --locked

fmt: ## format the source
	cargo fmt --all

simulate: ## run the simulator with SEEDS seeds (default 5000)
	ALTHING_SEEDS=$(SEEDS) cargo test --release --locked -p althing-tests --test all simulation -- --nocapture

ci: ## run what CI runs
	bash .ci/run

clean: ## remove the build products
	cargo clean
