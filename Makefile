# intspike: everything starts here; `make help` lists the targets.
# Needs Python 3.11 or newer, make and, for speed and the C export, a C compiler. Run twice, it installs once.

VENV    := .venv
PY      := $(VENV)/bin/python
BASE    := $(VENV)/.ready-base
DOCS    := $(VENV)/.ready-docs
ORACLES := $(VENV)/.ready-oracles
WORKERS ?= 2

BENCH_VENV := .venv-bench
BENCH_PY   := $(BENCH_VENV)/bin/python
BENCH      := $(BENCH_VENV)/.ready

# The first Python that is new enough; another one: make PYTHON=/path/to/python
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

# pip obeys these in isolated builds too, so that no second torch can arrive
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help venv oracles demo test test-slow sanitize lint types docs bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(BASE)  ## train, quantize, lower, verify and export a network on Fashion-MNIST (minutes)
	$(VENV)/bin/intspike run fashion-mnist --out runs/demo

# One thread a worker: the workers share the cores
test: export OMP_NUM_THREADS = 1
test: $(BASE)  ## all tests but the slow ones
	$(PY) -m pytest -m "not slow" -n $(WORKERS)

test-slow: export OMP_NUM_THREADS = 1
test-slow: $(BASE)  ## the slow tests: trainings and long fuzzing
	$(PY) -m pytest -m slow -n $(WORKERS)

sanitize: $(BASE)  ## compiled code under address and undefined-behaviour sanitizers
	$(PY) tools/sanitize.py

lint: $(BASE)  ## ruff: rules and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(BASE)  ## pyright
	$(PY) -m pyright

oracles: $(ORACLES)  ## the packages that judge some tests; without them these are skipped

# Against other packages, in an environment of their own; the second run is for the column "unpinned"
bench: $(BENCH)  ## speed against other packages, within ten minutes (benchmarks/table.md)
	$(BENCH_PY) -m benchmarks --pin
	$(BENCH_PY) -m benchmarks --rounds 3

# The op table and that of other tools' neurons are written by the code they describe
docs: $(DOCS)  ## build the documentation into site/
	text="$$($(PY) -m intspike.ops.docs)" && printf '%s\n' "$$text" > docs/ops.md
	$(PY) -m intspike.interop.docs docs/neurons-of-others.md
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

clean:  ## remove what can be rebuilt, but neither .venv nor runs/
	rm -rf build dist site .pytest_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- installation

$(BASE): pyproject.toml constraints.txt
	@$(PY) -m pip --version >/dev/null 2>&1 || $(MAKE) --no-print-directory venv
	$(PY) -m pip install -c constraints.txt -e ".[torch,dev]"
	@touch $@

# Without what they ask for: torchvision would replace torch
$(ORACLES): $(BASE)
	$(PY) -m pip install -q -c constraints.txt --no-deps spikingjelly norse loguru biodivine-aeon brevitas dependencies unfoldNd neurobench
	@touch $@

$(DOCS): $(BASE)
	$(PY) -m pip install -q -c constraints.txt -e ".[docs]"
	@touch $@

# The peers without what they ask for: torchvision and torchaudio would replace torch
$(BENCH): export PIP_CONSTRAINT = benchmarks/constraints.txt
$(BENCH): pyproject.toml constraints.txt benchmarks/constraints.txt
	@$(BENCH_PY) -m pip --version >/dev/null 2>&1 || $(MAKE) --no-print-directory venv VENV=$(BENCH_VENV)
	$(BENCH_PY) -m pip install -e ".[torch]" dependencies loguru unfoldNd
	$(BENCH_PY) -m pip install --no-deps snntorch brevitas spikingjelly
	@touch $@

# Some systems have venv without its own pip; then the system's pip installs one
venv:
	@test -n "$(PYTHON)" || { echo "intspike needs Python 3.11 or newer, and found: $$(python3 --version 2>&1)." \
		"Install one, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "creating $(VENV) with $(PYTHON) and installing the pinned packages (some minutes the first time)"
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
		|| { $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(PY) install -q pip; } \
		|| { echo "$(PYTHON) cannot create a virtual environment. Install its venv module" \
			"(Debian, Ubuntu: apt install python3-venv), or name another Python: make PYTHON=/path/to/python3" >&2; exit 1; }
