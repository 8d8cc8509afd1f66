# make demo: the main job on the embedded default.   make test: all tests.   Both install what they need.
# A name on the PATH may be a shim that runs nothing, and a Python may lack venv: take the first that can do both.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
READY = $(VENV)/.ready
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
DATA ?= demo-data
PYTEST_ARGS ?=
CRASH_ARGS ?=

.PHONY: install demo test crash bench lint types imports contracts gas docs audit wheel advisories clean

install: $(READY)

$(READY): requirements/lock.txt requirements/hashes.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: CareLedger needs Python 3.11 or 3.12, with venv, on the PATH" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --no-deps --require-hashes -r requirements/hashes.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY)
	$(BIN)/careledger demo --data $(DATA)

test: $(READY)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# CRASH_ARGS=--long is the whole campaign: hours.
crash: $(READY)
	PYTHONPATH=tests $(BIN)/python -m crash $(CRASH_ARGS)

bench: $(READY)
	$(BIN)/python bench/results.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

contracts: $(READY)
	$(BIN)/python contracts/build.py --check

gas: $(READY)
	$(BIN)/python contracts/measure_gas.py --check

docs: $(READY)
	for script in tools/message_tables.py tools/*_page.py docs/vectors/make_*.py; do \
		echo "$$script --check"; $(BIN)/python $$script --check || exit 1; done

audit: $(READY)
	$(BIN)/python tools/licences.py
	$(BIN)/python tools/sbom.py

wheel: $(READY)
	$(BIN)/python tools/wheel.py

# Asks a public database; where that is not reached it fails (docs/supply-chain.md).
advisories: $(READY)
	$(PIP) pip-audit
	$(BIN)/python -m pip_audit --strict --no-deps --disable-pip --progress-spinner off -r requirements/lock.txt

clean:
	rm -rf $(VENV) build dist src/*.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
