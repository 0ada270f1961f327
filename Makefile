# Entry points for people. CI runs the same commands through `.ci/run`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Build products live outside the checkout, so that a fresh clone can reuse them.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/althing/target

# What `make simulate` runs: `seeds`, `twins`, or `strategy NAME`; how many, and from which number on.
RUN ?= seeds
SEEDS ?= 5000
FIRST ?= 0
# Options of `make explore`: how many views, who is faulty, the fast path, crashes, minutes.
EXPLORE ?=
# Which seeded bugs `make canaries` sets free: all, or one by its number, `CANARIES=--only=7`.
CANARIES ?=
# How many minutes `make soak` lasts, and which misfortunes come.
MINUTES ?= 5
SEED ?= 1
# How often `make kill-cycles` kills nodes, and `make power-cuts` cuts the power of one.
CYCLES ?= 300
CUTS ?= 100
# What `make bench-tree` measures.
TREE ?= --keys 1000000 --batch 1000
# What `make bench-audit` measures.
AUDIT ?= --transactions 500000 --batch 100 --accounts 1000
# For how many seconds `make fuzz` fuzzes each target, and which: all of them, or some, `TARGETS="core frame"`.
SECONDS ?= 60
TARGETS ?=
# Further options for `make testnet`, for example `TESTNET_FLAGS=--base-port=0`.
TESTNET_FLAGS ?=
# Further options for `make test`, for example `TEST_FLAGS=--no-fail-fast`.
TEST_FLAGS ?=

RUST_VERSION = $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# A libclang that bindings to RocksDB can be made with, if there is one in a place where it is looked for.
LIBCLANG = $(or $(LIBCLANG_PATH),$(firstword $(wildcard \
  /usr/lib/llvm-*/lib/libclang.so* /usr/lib/llvm-*/lib/libclang-[0-9]*.so* \
  /usr/lib/*/libclang.so* /usr/lib/*/libclang-[0-9]*.so* /usr/lib64/libclang.so* /usr/lib/libclang.so* \
  /usr/local/lib/libclang.so* /usr/lib/llvm*/lib64/libclang.so* \
  /Library/Developer/CommandLineTools/usr/lib/libclang.dylib \
  /Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib/libclang.dylib)))

.PHONY: help setup build testnet test lint doc fmt bench-micro bench-tree bench-audit simulate explore canaries soak \
  kill-cycles power-cuts fuzz ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the build needs, or say what is missing
	@if ! command -v cc >/dev/null || ! command -v c++ >/dev/null || [ -z "$(LIBCLANG)" ]; then \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y build-essential libclang-dev; \
	  else \
	    echo "A C++ compiler (c++) or libclang is missing; RocksDB is built with them." >&2; \
	    echo "Debian and Ubuntu: sudo apt-get install build-essential libclang-dev" >&2; \
	    echo "Fedora: sudo dnf install gcc-c++ clang-devel. macOS: xcode-select --install." >&2; \
	    echo "Elsewhere: install them and, if libclang is not found, set LIBCLANG_PATH to its folder." >&2; \
	    exit 1; \
	  fi; \
	fi
	@if ! command -v cargo >/dev/null; then \
	  echo "Rust $(RUST_VERSION) or later is missing. Install rustup from https://rustup.rs," >&2; \
	  echo "then run: rustup toolchain install stable --component clippy,rustfmt" >&2; \
	  exit 1; \
	fi
	@echo "setup: c++, libclang and $$(cargo --version) are present; Rust $(RUST_VERSION) or later is needed"

build: ## build the release binary and say where it is
	cargo build --release --locked
	@echo "The binary is $(CARGO_TARGET_DIR)/release/althing"

testnet: build ## build, start four validators, and show a transfer final on all of them
	@ALTHING="$(CARGO_TARGET_DIR)/release/althing" scripts/testnet.sh demo $(TESTNET_FLAGS)

test: ## run every test: units, tidy, conformance, simulation
	cargo test --release --locked --workspace $(TEST_FLAGS)

lint: ## run clippy on everything; a warning is an error
	cargo clippy --release --workspace --all-targets --locked -- -D warnings

doc: ## build the documentation, private items included
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --document-private-items --locked

fmt: ## format the source
	cargo fmt --all

bench-micro: ## measure single parts: signatures, decoding, the commit of a block
	cargo bench --locked --workspace --bench micro

bench-tree: ## measure our state tree against the crate jmt; TREE= for every size, TREE="--keys N --batch N" for one
	cargo bench --locked --workspace --bench tree -- $(TREE)

bench-audit: ## measure how fast a chain is audited; AUDIT="--transactions N --batch N --accounts N --threads N"
	cargo bench --locked --workspace --bench audit -- $(AUDIT)

simulate: ## run the simulator: SEEDS seeds (default 5000) from FIRST on, or RUN=twins, or RUN='strategy silent'
	cargo run --release --locked -p althing-tests-simulator -- $(RUN) --first $(FIRST) --count $(SEEDS)

explore: ## every order of steps of four real cores; EXPLORE="--views 2 --faulty 0 --fast-path"
	cargo run --release --locked -p althing-tests-simulator -- explore $(EXPLORE)

canaries: ## set seeded bugs free, one after the other; the simulator must find each
	cargo run --release --locked -p althing-tests-simulator --features canary -- canaries $(CANARIES)

soak: ## put four real nodes through random trouble for MINUTES minutes (default 5), drawn from SEED; needs root
	ALTHING_SOAK_MINUTES=$(MINUTES) ALTHING_SOAK_SEED=$(SEED) cargo test --release --locked --workspace --test all \
	  streets::soak -- --nocapture

kill-cycles: ## kill one, two and all of four real nodes under load, CYCLES times (default 300)
	@ALTHING_KILL_CYCLES=$(CYCLES) scripts/long-test.sh cluster::kills

power-cuts: ## cut the power of a real node under load, CUTS times (default 100); needs root
	@ALTHING_POWER_CUTS=$(CUTS) scripts/long-test.sh cluster::power

fuzz: ## fuzz every target for SECONDS each; needs a nightly compiler and cargo-fuzz
	scripts/fuzz.sh $(SECONDS) $(TARGETS)

ci: ## run what CI runs
	bash .ci/run

clean: ## remove the build products
	cargo clean
