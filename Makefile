# Everything a fresh machine with Python, pip and make needs is done by `make recommend` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?= --classes 100 --dim 128
# Nobody waits before a blank screen: pip shows its progress on a terminal, and a line a package elsewhere.
QUIET := $(shell test -t 2 || echo --quiet)

.PHONY: recommend test lint types imports unit docs bench mutation fuzz clean

recommend: .venv/core
	@$(BIN)/ssem-advisor recommend $(ARGS)

test: .venv/dev lint types imports unit

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

imports: .venv/dev
	$(BIN)/lint-imports

unit: .venv/dev
	$(BIN)/pytest -n 3 -m "not slow"

docs: .venv/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: .venv/dev
	for f in benchmarks/bench_*.py; do $(BIN)/python $$f || exit 1; done

# A random sample of small changes of the code: does a test notice? Seconds each, after a run of all tests.
MUTATION ?= --sample 100
mutation: .venv/dev
	$(BIN)/python tests/mutation.py $(MUTATION)

# A minute of fresh hostile input for every command; for hours: make fuzz FUZZ_SECONDS=7200. CI runs the same cases
# every time, so that it cannot fail by chance: make fuzz FUZZ='--first 0 --cases 600'
FUZZ_SECONDS ?= 60
FUZZ ?= --seconds $(FUZZ_SECONDS)
fuzz: .venv/dev
	SSEM_ADVISOR_DEBUG=1 $(BIN)/python tests/fuzz/judge.py $(FUZZ)

clean:
	rm -rf .venv .virtualenv build dist site mutants

# Where Python comes without venv (some Debian images), virtualenv from a folder of its own does the same.
.venv/bin/python:
	@echo "Making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		$(PYTHON) -m pip install --quiet --target .virtualenv virtualenv && \
		PYTHONPATH=.virtualenv $(PYTHON) -m virtualenv --quiet .venv; }
	@$(BIN)/python -m pip install --quiet --upgrade pip

.venv/core: .venv/bin/python pyproject.toml
	@echo "Installing ssem-advisor into .venv (about 250 MB, once)"
	@$(BIN)/python -m pip install $(QUIET) --editable .
	@$(BIN)/python -m compileall -q ssem_advisor
	@touch $@

# torch is pinned for development alone; the package's own range stays open.
.venv/dev: .venv/bin/python pyproject.toml
	@echo "Installing torch and the tools for development into .venv (some GB, once); this takes minutes"
	@$(BIN)/python -m pip install torch==2.13.0
	@$(BIN)/python -m pip install --editable '.[dev]' torch==2.13.0
	-@$(BIN)/python -m pip install --no-deps lightly==1.6.0  # it asks for torchvision, which its losses do not call
	@$(BIN)/python -m compileall -q ssem_advisor
	@touch .venv/core $@
