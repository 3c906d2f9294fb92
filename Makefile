# Each target prepares .venv by itself; all it asks for is Python 3.11 to 3.13.
.DEFAULT_GOAL := help
.PHONY: help run serve test lint soak peers serving-peers lock clean

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
SERVING_PEERS := .venv-serving-peers
PRETRAINED := runs/pretrained/exports
MODEL ?= $(PRETRAINED)
PORT ?= 8501
TORCH ?= --torch-backend cpu
SUITABLE := 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	$$python -c $(SUITABLE) 2>/dev/null && echo $$python && break; done)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## the main job, no data needed: train both approaches, compare, export, serve, ask
	$(BIN)/python -m examples.quickstart

serve: $(READY) $(if $(filter $(PRETRAINED),$(MODEL)),$(PRETRAINED).made) ## serve the newest model in MODEL (by default the one that comes with the project) on PORT (8501)
	$(BIN)/python -m serving --model_base_path $(MODEL) --model_name faces --rest_api_port $(PORT) \
		--enable_batching --batching_parameters_file serving/deploy/batching_processor.txt \
		--tensorflow_intra_op_parallelism 1

$(PRETRAINED).made: models/pretrained/best.keras | $(READY)
	$(BIN)/python -m training.export --pretrained --to $(PRETRAINED)
	@touch $@

test: $(READY) ## all tests
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist worksteal

lint: $(READY) ## formatting, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

soak: $(READY) ## what takes long; run by hand
	$(BIN)/python -m pytest -m soak -s

peers: $(READY) ## PyTorch for processors alone, for training.train --engine torch and benchmarks --peers (Linux, Python 3.11)
	$(BIN)/uv pip install $(TORCH) --require-hashes -r requirements-peers.lock

serving-peers: $(SERVING_PEERS)/ready ## LitServe and KServe's SDK, which benchmarks.serving --peers compares with (2 GB)

$(SERVING_PEERS)/ready: requirements-serving-peers.lock | $(READY)
	$(SERVING_PEERS)/bin/python -c "" 2>/dev/null || $(BIN)/uv venv --clear --python $(BIN)/python $(SERVING_PEERS)
	$(BIN)/uv pip sync --python $(SERVING_PEERS)/bin/python --require-hashes requirements-serving-peers.lock
	@touch $@

lock: $(READY) ## pin anew what pyproject.toml asks for
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--upgrade --custom-compile-command "make lock" --output-file requirements.lock --quiet
	$(BIN)/uv pip compile --group serving-peers --universal --python-version 3.11 --generate-hashes \
		--upgrade --custom-compile-command "make lock" --output-file requirements-serving-peers.lock --quiet

clean: ## remove what make installed and all caches; runs and exports stay
	rm -rf $(VENV) $(SERVING_PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment that is there stays, as others may be using it: only what differs from the lock is put in or taken out.
# One package (promise) comes as source only: what builds it goes in first, from the same lock.
$(READY): requirements.lock
	@$(BIN)/python -c $(SUITABLE) 2>/dev/null || $(or $(PYTHON),false) -c $(SUITABLE) 2>/dev/null || \
	{ echo "error: needs Python 3.11, 3.12 or 3.13 with venv; received $(or $(PYTHON),none)." \
	"Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	$(BIN)/python -c $(SUITABLE) 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing packages into $(VENV) (where there are none: some minutes, about 3 GB)"
	@$(BIN)/python -c "import re; lock = open('requirements.lock').read(); \
	print(*re.findall(r'^(?:setuptools|wheel|packaging)==.*?(?=^[a-z])', lock, re.M | re.S))" > $(VENV)/build.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r $(VENV)/build.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes --no-build-isolation -r requirements.lock
	$(BIN)/uv pip install --quiet --offline --exact --no-build-isolation --constraints requirements.lock --editable '.[dev]'
	@touch $@
