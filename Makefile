# make demo    a sandbox, a plan, an apply, a drift put back: no account needed
# make test    everything that must be green
# make simulate SEED=7   one schedule of the simulation, with its whole history
#
# Both set up .venv once; the stamp files say that it is done.

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin

.PHONY: demo test check audit simulate soak bench clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo    see crmsync at work on a local sandbox, in half a minute"
	@echo "make test    lint, types and all tests"
	@echo "make check   lint and types only"
	@echo "make audit   ask for known vulnerabilities of what we depend on (needs the network)"
	@echo "make soak    the long tests"
	@echo "make bench   measure everything, beside what others take (SIZES='1000 10000', BENCH_ARGS='--runs 3 --pace 0')"
	@echo "make simulate SEED=7   one schedule of the simulation, told line by line"
	@echo "make clean   remove $(VENV) and everything generated"

demo: $(VENV)/.stamp-package
	@PATH="$(BIN):$$PATH" bash examples/demo.sh

test: check
	@.ci/servers
	$(BIN)/python -m pytest -n auto -m "not soak" $(PYTEST_ARGS)

check: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check crmsync tests
	$(BIN)/mypy
	$(BIN)/zizmor --offline --no-progress --quiet --persona=pedantic .github/workflows action.yml

# Not a part of test: the advisories change without us, and their service is not everywhere to be reached.
# Python 3.11 puts an old setuptools into each venv: it is not ours, and nothing here needs it.
audit: $(VENV)/.stamp-dev
	$(BIN)/python -m pip uninstall --quiet --yes setuptools
	$(BIN)/python -m pip install --quiet --group audit
	$(BIN)/pip-audit --skip-editable --progress-spinner off

simulate: $(VENV)/.stamp-dev
	@$(BIN)/python -m tests.simulation $(SEED) -v $(if $(MIRRORS),--mirrors)

soak: $(VENV)/.stamp-dev
	$(BIN)/python -m tests.simulation fresh 100000
	@.ci/servers
	$(BIN)/python -m pytest -m soak --deselect tests/simulation/test_simulation.py::test_soak $(PYTEST_ARGS)

bench: $(VENV)/.stamp-dev $(VENV)-bench/.stamp
	$(BIN)/python -m benchmarks --rivals $(if $(SIZES),--sizes $(SIZES)) $(BENCH_ARGS)

# The rivals live apart: their dependencies are none of ours.
$(VENV)-bench/.stamp: benchmarks/rivals/requirements.txt | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet -r $<
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-bench build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up. It runs again when pyproject.toml changes.

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON) here. Install Python 3.11 or later, or name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "crmsync needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V 2>&1)." >&2; \
	  echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@# A half-made folder would look finished the next time.
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Dependency groups need pip 25.1.
$(VENV)/.stamp-package: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -c 'import pip, sys; sys.exit(tuple(map(int, pip.__version__.split(".")[:2])) < (25, 1))' \
	  || $(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-package
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@
