# vcplab: everything a developer types. The same as plain `python -m` lines, for Windows, is in
# CONTRIBUTING.md. The network is needed only while packages are installed.
.POSIX:
.PHONY: help demo test unit shown notebooks browser lab lint format bench bench-scale slow clean
.NOTPARALLEL:

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Modules are compiled when they are first imported: most of 25,000 never are.
PIP_INSTALL = $(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile -c constraints.txt

help:
	@echo 'make demo        compare the memory engines on the bundled diaries and write a report'
	@echo 'make lab         open the notebooks in JupyterLab'
	@echo 'make test        unit, notebook and browser tests (or one of: make unit notebooks browser)'
	@echo 'make lint        ruff, mypy --strict, import-linter, notebooks free of outputs'
	@echo 'make format      let ruff mend what it can'
	@echo 'make bench       benchmarks beside other libraries'
	@echo 'make bench-scale a million memories on disk: build, memory, latency (about half an hour)'
	@echo 'make slow        long soaks and large property tests'
	@echo 'make clean       remove the environment and every cache'

# Two stamps: what a user needs, and what a developer needs on top. Each is renewed when the
# declared or the pinned packages change.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vcplab needs Python 3.11 or newer; name one with: make PYTHON=python3.12")'
	@echo 'Setting up $(VENV) (the first time takes a few minutes and about 2.5 GB) ...'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --upgrade pip
	@$(PIP_INSTALL) -e '.[all]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo 'Adding the test tools to $(VENV) ...'
	@$(PIP_INSTALL) --group test --group peers
	@touch $@

demo: $(VENV)/.installed
	@$(BIN)/vcplab demo

lab: $(VENV)/.installed
	@$(BIN)/vcplab lab --dir notebooks

test: unit shown

# Notebooks on one processor and the browser on the other.
shown: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest -n 2 --dist loadgroup tests/notebooks tests/browser --durations=15

unit: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder tests/unit plugins --durations=25

notebooks: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest -n 2 --dist loadgroup tests/notebooks

browser: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest tests/browser

lint: $(VENV)/.installed-dev
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports
	@$(BIN)/python .ci/clean_notebooks.py --check notebooks

format: $(VENV)/.installed-dev
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .
	@$(BIN)/python .ci/clean_notebooks.py notebooks

bench: $(VENV)/.installed-dev
	@for file in $$(ls benchmarks/bench_*.py | grep -v bench_scale); do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

bench-scale: $(VENV)/.installed-dev
	@$(BIN)/python benchmarks/bench_scale.py

slow: $(VENV)/.installed-dev
	@HYPOTHESIS_PROFILE=slow $(BIN)/python -m pytest tests/unit plugins -m 'slow or not slow' --durations=10

clean:
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
