# make demo: the main job on the embedded default.   make test: all tests.   Both install what they need.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv; sys.exit(sys.version_info[:2] < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
READY = $(VENV)/.ready
DATA ?= demo-data
PYTEST_ARGS ?=

.PHONY: demo test lint types imports contracts docs gas clean

$(READY): requirements/lock.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: CareLedger needs Python 3.11 or newer with venv on the PATH" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/lock.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $(READY)

demo: $(READY)
	$(VENV)/bin/careledger demo --data $(DATA)

test: $(READY)
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(READY)
	$(VENV)/bin/mypy

imports: $(READY)
	$(VENV)/bin/lint-imports

contracts: $(READY)
	$(VENV)/bin/python contracts/build.py --check

docs: $(READY)
	$(VENV)/bin/python tools/message_tables.py --check

clean:
	rm -rf $(VENV) build dist src/*.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
