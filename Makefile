# One entry point for people, pre-commit and CI. `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt
# The second stamp builds on the first, so that two targets of one `make -j` never run pip at the same time.
RUNTIME := .venv/.stamp-runtime
DEV := .venv/.stamp-dev

.DEFAULT_GOAL := help
.PHONY: help setup check test test-slow demo docs bench bench-judge clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(DEV)  ## Create .venv with everything a contributor needs; free when nothing changed

$(BIN)/python:
	$(PYTHON) -m venv .venv

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[local,tools]'
	@touch $@

$(DEV): $(RUNTIME)
	$(PIP) -e '.[local,tools,mcp,parquet,dev]'
	@touch $@

check: $(DEV)  ## Formatting, lint, types, layers and the size budget
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -q tests/test_budget.py

test: $(DEV)  ## The tests, without the slow ones
	$(BIN)/pytest

test-slow: $(DEV)  ## The slow tests alone
	$(BIN)/pytest -m slow

demo: $(RUNTIME)  ## Make preference pairs with the embedded model, no key and no GPU needed
	rm -rf runs/demo runs/demo-pairs
	$(BIN)/anyprefer run recipes/text/quickstart.toml --out runs/demo
	$(BIN)/anyprefer export runs/demo --to runs/demo-pairs

docs: $(DEV)  ## Draw the graph again
	$(BIN)/python docs/draw_graph.py

bench: $(DEV)  ## Run every benchmarks/bench_*.py
	@set -e; for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script; done

bench-judge: $(DEV)  ## Measure the embedded judge in four arms (hours on two cores; run again to resume)
	$(BIN)/anyprefer evaluate judge recipes/text/gsm8k.toml --data benchmarks/data/gsm8k_responses.jsonl --limit 125 --out runs/bench-judge

clean:  ## Remove the environment, caches and build results; keeps runs/
	rm -rf .venv .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
