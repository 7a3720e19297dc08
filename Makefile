# `make run` and `make test` set everything up in .venv; nothing else is needed but Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
INNER := --cov=salus.ledger --cov=salus.crypto --cov=salus.warrants --cov=salus.charts

.PHONY: run test lint types sabotage torture outsider stories bench lock clean setup

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Salus needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@

run: $(READY)  ## A patient's story on the real system, every claim checked
	$(BIN)/salus demo

test: $(READY) lint types  ## Lint, types, contracts, every test, full branch coverage of the four inner rooms
	$(BIN)/pytest $(INNER) --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

lint: $(READY)
	$(BIN)/ruff check src tests tools
	$(BIN)/ruff format --check src tests tools
	$(BIN)/lint-imports --no-logo

types: $(READY)
	$(BIN)/mypy

sabotage: $(READY)  ## Patch out one check at a time; a named test must fail each time
	$(BIN)/python tools/sabotage.py

torture: $(READY)  ## Power cuts at 3,000 points of a recorded piece of work; a report in docs/reports
	mkdir -p docs/reports
	PYTHONPATH=tests $(BIN)/python tests/disk/torture.py --report docs/reports/torture-$$(date -u +%F).md $(ARGS)

outsider: $(READY)  ## The command line from outside, as an integrator drives it
	PATH="$(CURDIR)/$(BIN):$$PATH" examples/outsider.sh

stories: $(READY)  ## The stories of patient, practice, home and operator, by the command line over HTTP
	for story in examples/stories/*.sh; do PATH="$(CURDIR)/$(BIN):$$PATH" bash $$story || exit 1; done

lock: $(READY)  ## Resolve the dependencies anew (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --group dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov .coverage .coverage.*
