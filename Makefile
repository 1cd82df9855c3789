# Two commands do everything on a fresh machine with Python >= 3.11, Rust and a C compiler:
#   make demo    builds tlscore and shows a mutual-TLS server and client at work
#   make test    runs the tests
# Everything is installed into .venv from the locks in requirements/ and Cargo.lock; a stamp file per step, so that nothing is done twice.
# ARGS is handed on: make test ARGS="-k hello_retry", make bench ARGS=--quick.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

RUST_SOURCES := $(shell find rust -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock .cargo/config.toml pyproject.toml
BUILT := $(wildcard python/tlscore/_core*.so)

# maturin refuses to choose between two active environments.
MATURIN := env -u CONDA_PREFIX VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin
# The interpreter that the glue crate is checked against.
CARGO := PYO3_PYTHON=$(CURDIR)/$(BIN)/python cargo

# What `make fuzz` runs: all targets of both halves, or those that are named; SECONDS each.
RUST_TARGETS := deframer joiner protection read_half tampered_wire conversation key_share
PYTHON_TARGETS := message13 message12 client_hello server_hello server_flight client_flight server_flight12 client_flight12 certificate \
	key_store key_store_text crl ocsp_response name cipher_string
TARGETS ?= $(RUST_TARGETS) $(PYTHON_TARGETS)
SECONDS ?= 60
# libFuzzer finds its way by counters that the compiler puts into the code; a stable compiler can do it.
GUIDED_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 --cfg fuzzing \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares
FUZZ_HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
GUIDED := target/fuzz/$(FUZZ_HOST)/release/guided
BLIND := target/release/blind
FOUND := target/fuzz/found

.PHONY: help demo test lint lint-style lint-types lint-stubs lint-rust rust-test bench docs check format conformance extension
.PHONY: ecosystem instructions lock clean force fuzz fuzz-build fuzz-grow

help:
	@echo "make demo   build, then a mutual-TLS server and client on loopback, step by step, with figures"
	@echo "make test   build, then the tests"
	@echo "make lint   every static check, and the tests of the Rust crates"
	@echo "make bench  the comparison with other TLS libraries (ARGS=--quick for less than 40 seconds)"
	@echo "make docs   the documentation, in docs/_build/html"
	@echo "make ecosystem  other people's libraries on tlscore, in an environment of their own"
	@echo "make check  lint, docs, ecosystem and test: what continuous integration runs"
	@echo "make fuzz   the fuzz targets, 60 s each (TARGETS=\"crl name\" SECONDS=600); make fuzz-grow keeps what was learnt"
	@echo "also: make format, make conformance, make rust-test, make instructions, make lock, make clean"

demo: extension
	$(BIN)/tlscore demo $(ARGS)

test: extension $(VENV)/.stamp-test
	$(BIN)/python -m pytest $(ARGS)

# tlscore itself comes from the source tree; the environment holds the other libraries.
ecosystem: extension $(VENV)/.stamp-ecosystem
	PYTHONPATH=$(CURDIR)/python $(VENV)/ecosystem/bin/python -m pytest -c tests/ecosystem/pytest.ini --rootdir . tests/ecosystem $(ARGS)

bench: extension $(VENV)/.stamp-bench
	$(BIN)/tlscore bench $(ARGS)

docs: extension $(VENV)/.stamp-docs conformance
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

# Each part on its own, so that `make -k lint` reports everything that is wrong in one run.
lint: lint-style lint-types lint-stubs lint-rust rust-test

lint-style: $(VENV)/.stamp-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-types: $(VENV)/.stamp-test
	$(BIN)/mypy

lint-stubs: extension $(VENV)/.stamp-test
	$(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml tlscore._core

lint-rust: $(VENV)/.stamp-build
	cargo fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# The glue crate is a Python extension without logic of its own: it is tested from Python.
rust-test: $(VENV)/.stamp-build
	$(CARGO) test --locked --workspace --exclude tlscore-ext $(if $(CI),,--quiet)

# A guided run of each Rust target, with the corpus beside it; then the Python ones. What is found stays in target/fuzz/found.
fuzz: $(if $(filter $(RUST_TARGETS),$(TARGETS)),fuzz-build) $(if $(filter $(PYTHON_TARGETS),$(TARGETS)),extension $(VENV)/.stamp-test)
	@mkdir -p $(FOUND)
	@for target in $(filter $(RUST_TARGETS),$(TARGETS)); do \
		$(BLIND) --unpack $$target target/fuzz/corpus/$$target && \
		TLSCORE_FUZZ_TARGET=$$target $(GUIDED) -max_total_time=$(SECONDS) -max_len=1200 -timeout=5 \
			-print_final_stats=1 -verbosity=0 -artifact_prefix=$(FOUND)/$$target- target/fuzz/corpus/$$target || exit 1; \
	done
	@$(if $(filter $(PYTHON_TARGETS),$(TARGETS)),$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(filter $(PYTHON_TARGETS),$(TARGETS)))

fuzz-build:
	RUSTFLAGS="$(GUIDED_FLAGS)" CARGO_TARGET_DIR=target/fuzz cargo build --release --locked --package tlscore-fuzz \
		--features guided --bin guided --target $(FUZZ_HOST) --config profile.release.lto=false
	cargo build --release --locked --package tlscore-fuzz --bin blind

# Keep of target/fuzz/corpus what reaches something, as the corpus that the tests use.
fuzz-grow: fuzz-build
	@for target in $(filter $(RUST_TARGETS),$(TARGETS)); do \
		rm -rf target/fuzz/smallest && mkdir -p target/fuzz/smallest && \
		$(BLIND) --unpack $$target target/fuzz/corpus/$$target && \
		TLSCORE_FUZZ_TARGET=$$target $(GUIDED) -merge=1 -max_len=1200 -verbosity=0 target/fuzz/smallest \
			target/fuzz/corpus/$$target && \
		$(BLIND) --pack $$target target/fuzz/smallest || exit 1; \
	done

# Instruction counts of the hot paths against the recorded ones; RECORD=1 makes a new record.
instructions:
	$(PYTHON) benches/instructions.py $(if $(RECORD),--record)

check: lint instructions docs ecosystem test

format: $(VENV)/.stamp-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cargo fmt --all

conformance: | $(BIN)/python
	$(BIN)/python docs/generate_conformance.py $(if $(CI),--check)
	$(BIN)/python docs/generate_ecosystem.py $(if $(CI),--check)

extension: $(VENV)/.stamp-extension

# The extension is built again when a Rust source changed, or when its file is gone.
$(VENV)/.stamp-extension: $(VENV)/.stamp-build $(RUST_SOURCES) $(if $(BUILT),,force)
	@$(PYTHON) scripts/tlscore_build.py
	$(MATURIN) develop --release --locked
	@touch $@

$(VENV)/.stamp-build: requirements/build.txt | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements/build.txt
	@touch $@

$(VENV)/.stamp-test: requirements/test.txt $(VENV)/.stamp-build
	$(PIP) install --quiet --require-hashes -r requirements/test.txt
	@touch $@

$(VENV)/.stamp-docs: requirements/docs.txt $(VENV)/.stamp-build
	$(PIP) install --quiet --require-hashes -r requirements/docs.txt
	@touch $@

$(VENV)/.stamp-ecosystem: requirements/ecosystem.txt | $(BIN)/python
	$(PYTHON) -m venv $(VENV)/ecosystem
	$(VENV)/ecosystem/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/ecosystem.txt
	@touch $@

# Some of the libraries compared with have wheels for few machines; the comparison leaves out what is not there.
$(VENV)/.stamp-bench: requirements/bench.txt $(VENV)/.stamp-build
	$(PIP) install --quiet --require-hashes -r requirements/bench.txt || \
		echo "make bench: not every library to compare with can be installed here; those are left out"
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "tlscore cannot be built here: $(PYTHON) was not found; install Python 3.11 or newer"; exit 1; }
	@$(PYTHON) scripts/tlscore_build.py
	$(PYTHON) -m venv $(VENV)

lock: $(VENV)/.stamp-build
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip --disable-pip-version-check install --quiet pip-tools
	$(VENV)/lock/bin/python requirements/lock.py
	cargo generate-lockfile --quiet

clean:
	rm -rf $(VENV) target dist docs/_build python/tlscore/_core*.so .mypy_cache .ruff_cache .pytest_cache
