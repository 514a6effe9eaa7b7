# One entry point for people, pre-commit and CI. `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt
# The second stamp builds on the first, so that two targets of one `make -j` never run pip at the same time.
RUNTIME := .venv/.stamp-runtime
DEV := .venv/.stamp-dev
PEER := .venv-distilabel/.stamp

.DEFAULT_GOAL := help
.PHONY: help setup check test test-slow demo docs studio bench bench-judge bench-crash bench-faults bench-scale bench-train bench-improvement bench-report bench-diversity clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(DEV)  ## Create .venv with everything a contributor needs; free when nothing changed

$(BIN)/python:
	$(PYTHON) -m venv .venv

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[local,tools]'
	@touch $@

$(DEV): $(RUNTIME)
	$(PIP) -e '.[local,tools,langchain,mcp,parquet,postgres,otel,ray,train,evaluate,review,report,analyze,studio,dev]'
	@touch $@

check: $(DEV)  ## Formatting, lint, types, layers and the size budget
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -q tests/test_budget.py

test: $(DEV)  ## The tests, without the slow ones, two files at a time
	$(BIN)/pytest -n 2 --dist loadfile

test-slow: $(DEV)  ## The slow tests alone
	$(BIN)/pytest -m slow

demo: $(RUNTIME)  ## Make preference pairs with the embedded model, no key and no GPU needed
	rm -rf runs/demo runs/demo-pairs
	$(BIN)/anyprefer run recipes/text/quickstart.toml --out runs/demo
	$(BIN)/anyprefer export runs/demo --to runs/demo-pairs

# RUN=runs/batch opens a run folder: its recipe and its threads.
PORT ?= 8123
studio: $(DEV)  ## LangGraph's server for Studio, on this machine alone (PORT=8123, RUN=run folder)
	LANGGRAPH_CLI_NO_ANALYTICS=1 LANGGRAPH_NO_VERSION_CHECK=true LANGSMITH_TRACING=false ANYPREFER_RUN=$(RUN) \
	$(BIN)/langgraph dev --host 127.0.0.1 --port $(PORT) --no-browser

docs: $(DEV)  ## Write what the architecture page takes from the code, build the site into build/docs, check its links
	$(BIN)/python docs/generate.py
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs
	$(BIN)/sphinx-build -q -W -b linkcheck docs build/linkcheck

# A peer to measure against; its packages do not fit ours, so it gets an environment of its own.
$(PEER):
	$(PYTHON) -m venv .venv-distilabel
	.venv-distilabel/bin/pip install -qq --disable-pip-version-check 'distilabel[openai]==1.5.3' requests
	@touch $@

bench: $(DEV) $(PEER)  ## Measure orchestration beside a bare client and distilabel (half an hour)
	$(BIN)/python benchmarks/bench_loop.py
	$(BIN)/python benchmarks/bench_orchestration.py --distilabel .venv-distilabel/bin/python

bench-crash: $(DEV)  ## Kill runs at random moments: 50 times with SQLite, 10 with Postgres
	$(BIN)/python benchmarks/campaign_crash.py --kills 50
	$(BIN)/python benchmarks/campaign_crash.py --kills 10 --tasks 400 --store postgres

bench-faults: $(DEV)  ## Run against a server full of faults, and stop there at exactly 200 accepted
	$(BIN)/python benchmarks/campaign_faults.py --tasks 2000
	$(BIN)/python benchmarks/campaign_faults.py --tasks 2000 --accept 200

bench-scale: $(DEV)  ## Run 100,000 tasks
	$(BIN)/python benchmarks/scale_run.py --tasks 100000

bench-judge: $(DEV)  ## Measure the embedded judge in four arms (hours on two cores; run again to resume)
	$(BIN)/anyprefer evaluate judge recipes/text/gsm8k.toml --data benchmarks/data/gsm8k_responses.jsonl --limit 125 --out runs/bench-judge

bench-train: $(DEV)  ## Training speed beside a bare TRL script (20 minutes)
	$(BIN)/python benchmarks/bench_train.py

# CORPUS is a JSON Lines file of encyclopedia articles, with `title` and `text`.
bench-improvement: $(DEV)  ## Base, chosen-only and DPO in two rounds, three seeds (an hour; CORPUS=articles.jsonl)
	$(BIN)/python benchmarks/improvement.py $(CORPUS) runs/improvement final

bench-report: $(DEV)  ## Write, open, search and filter a report of 20,000 made-up records
	$(BIN)/python benchmarks/bench_report.py --records 20000

# PAIRS=run folder or dataset
bench-diversity: $(DEV)  ## Diversity of PAIRS beside HH-RLHF and AlpacaEval pairs, at equal n and d
	$(BIN)/python benchmarks/diversity.py $(PAIRS)

clean:  ## Remove the environment, caches and build results; keeps runs/
	rm -rf .venv .venv-distilabel .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
