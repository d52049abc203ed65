# make demo   sets up, starts the gateway, places real calls in three languages, transfers one of them
# make test   sets up and proves everything: unit, simulated world, real peers
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tingwa
export CARGO_TARGET_DIR ?= $(CACHE)/target
export TINGWA_CACHE ?= $(CACHE)
TINGWA = $(CARGO_TARGET_DIR)/release/tingwa

.PHONY: demo test setup build unit peers lint fuzz bench load interop model

setup:
	@deploy/setup.sh

build: setup
	cargo build --release

demo: build
	@deploy/demo.sh $(TINGWA)

test: setup unit peers

unit: setup
	cargo test --release --lib --bins --tests
	cargo test --release --doc

peers: build
	tests/peers/run.sh $(TINGWA)

lint: setup
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

bench: build
	cargo bench --benches
	benches/calls_per_core.sh $(TINGWA)

# SIPp against tingwa and Asterisk 22 in turn, 15 minutes; `make load LOAD=--quick` takes 4.
load: build
	cargo build --release --example answering
	tests/peers/install.sh
	benches/load.sh $(TINGWA) $(LOAD)

# Real peers over every transport, codec and encryption: writes tests/peers/interop.md.
interop: build
	tests/peers/matrix.sh $(TINGWA)

FUZZ_SECONDS ?= 60
FUZZ_TARGETS = sip sdp rtp dialplan call registrar endpoint
fuzz:
	command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz
	for target in $(FUZZ_TARGETS); do \
	  mkdir -p fuzz/corpus/$$target; \
	  RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$(CACHE)/target-fuzz cargo fuzz run --sanitizer none $$target fuzz/corpus/$$target $$(ls -d fuzz/seeds/$$target 2>/dev/null) \
	    -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 || exit 1; \
	done

# Trains the small recogniser anew (10 minutes with a GPU, about two hours on two cores), pins its checksums and writes its card.
model: build
	TINGWA=$(TINGWA) models/recipe/train.sh
