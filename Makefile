# Builds, tests and demonstrates Joch. The two commands that matter: `make demo` and `make test`.
# Both do all of their own set-up on Debian with Rust (rustup), Go and, for a node, root.

SHELL := /bin/bash
.DEFAULT_GOAL := build

# CI keeps build outputs in one place between clones; everybody else has target/ beside this file.
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
DIST := dist
ROOT := $(filter 0,$(shell id -u))
# Component's file name by crate: Cargo writes underscores.
PLUGINS := kubetask
EXAMPLES := hello-controller
# Guests of the test suites.
FIXTURES := caller puppet

.PHONY: bench fuzz build host cli plugins languages crds devcluster node demo test clean help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: host cli plugins crds devcluster ## dist/: the host, joch, the plugins, the CRDs, devcluster

# The test run builds everything with one set of features, so that nothing heavy is compiled twice.
CARGO_SCOPE := -p joch-controller-manager -p joch-cli

host: toolchain
	cargo build --release $(CARGO_SCOPE)
	@mkdir -p $(DIST)
	install -C -m 755 $(TARGET)/release/joch-controller-manager $(DIST)/

cli: toolchain ## dist/joch, and dist/kubectl-joch: the same for `kubectl joch`
	cargo build --release $(CARGO_SCOPE)
	@mkdir -p $(DIST)
	install -C -m 755 $(TARGET)/release/joch $(DIST)/
	@ln -f $(DIST)/joch $(DIST)/kubectl-joch

plugins: toolchain ## dist/plugins/*.wasm; a host that watches the folder swaps them in
	cargo build --profile guest --target wasm32-wasip2 $(PLUGINS:%=-p %) $(EXAMPLES:%=-p %) $(FIXTURES:%=-p %)
	@mkdir -p $(DIST)/plugins $(DIST)/examples $(DIST)/fixtures
	@for p in $(PLUGINS); do install -C -m 644 $(TARGET)/wasm32-wasip2/guest/$${p//-/_}.wasm $(DIST)/plugins/$$p.wasm; done
	@for p in $(EXAMPLES); do install -C -m 644 $(TARGET)/wasm32-wasip2/guest/$${p//-/_}.wasm $(DIST)/examples/$$p.wasm; done
	@for p in $(FIXTURES); do install -C -m 644 $(TARGET)/wasm32-wasip2/guest/$${p//-/_}.wasm $(DIST)/fixtures/$$p.wasm; done

languages: cli ## dist/examples/*.wasm in Python, JavaScript and C; installs what that needs
	@examples/languages.sh

crds:
	@mkdir -p $(DIST)/crds
	@install -C -m 644 crds/*.yaml $(DIST)/crds/

devcluster: # the control plane alone, and a kubectl for those who have none
	@$(MAKE) --no-print-directory -C devcluster devcluster BIN=$(abspath $(DIST)/bin)
	@ln -sfn bin/devcluster $(DIST)/devcluster
	@command -v kubectl >/dev/null || ln -sfn bin/devcluster $(DIST)/kubectl

node: devcluster # what a node needs besides
	@$(MAKE) --no-print-directory -C devcluster node-packages node BIN=$(abspath $(DIST)/bin)

# Neither rust-toolchain.toml nor Cargo installs a second target by itself everywhere.
.PHONY: toolchain
toolchain:
	@rustup target list --installed 2>/dev/null | grep -qx wasm32-wasip2 || rustup target add wasm32-wasip2

# Only a KUBECONFIG given on the command line means another cluster: one in the environment may be anything.
ifeq ($(origin KUBECONFIG),command line)
DEMO_NEEDS := build
DEMO_CLUSTER := $(abspath $(KUBECONFIG))
else
DEMO_NEEDS := build node
DEMO_CLUSTER :=
endif

demo: $(DEMO_NEEDS) ## a real cluster, the host, a Task that runs to its end; KUBECONFIG=… uses yours, KEEP=1 leaves it running
	@DEMO_CLUSTER='$(DEMO_CLUSTER)' KEEP='$(KEEP)' examples/kubetask/demo.sh

test: ## everything: lints, unit tests, the control-plane suite, the node's stories
	@tests/run.sh

# Each target goes on for so long; `FUZZ=selector` is a part of a test's name.
FUZZ_SECONDS := 60
FUZZ :=
fuzz: toolchain ## what is read from strangers, held against properties; FUZZ_SECONDS=600 FUZZ=… for more and fewer
	FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test --release --workspace --test fuzz -- $(FUZZ)
	FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test --release --workspace --lib fuzz::$(FUZZ)

# What is measured, and how much: by default everything, in a quarter of an hour on two cores.
BENCH :=
BENCH_OUT := target/bench/bench.json
# The checkout is named as cargo would name it: the target folder may be shared with another one.
JOCH_BENCH = CARGO_MANIFEST_DIR=$(abspath tests) JOCH_DIST=$(abspath $(DIST)) $(TARGET)/release/joch-bench

.PHONY: bench-programs bench-check bench-baseline
bench-programs: host plugins crds devcluster
	cargo build --release $(CARGO_SCOPE) -p joch-bench -p joch-bench-engine
	@mkdir -p $(DIST)/bench
	cd tests/bench/go && go build -o $(abspath $(DIST))/bench/native-go .

bench: bench-programs ## the host beside native controllers, as tables; BENCH="hello --objects 200" for less
	@$(JOCH_BENCH) run $(BENCH) --out $(BENCH_OUT)

bench-check: bench ## the same, and fails if a ratio has become worse than tests/bench/baseline.json tolerates
	@$(JOCH_BENCH) check $(BENCH_OUT) tests/bench/baseline.json

bench-baseline: ## makes the last run's ratios the ones that bench-check compares with
	@$(JOCH_BENCH) baseline $(BENCH_OUT) tests/bench/baseline.json

clean:
	rm -rf $(DIST)
	cargo clean
