# Everything a newcomer needs: `make run` and `make test`. Each sets up what it needs by itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

DATA ?= data/german_credit.csv
TARGET ?= $(if $(filter data/german_credit.csv,$(DATA)),creditability)
ROWS ?= 10000
SYNTHESIZER ?= trees
EPOCHS ?=
SEED ?= 0
OUT ?= out

# Training ctgan needs torch and sdv; the shipped model of german_credit does not.
TRAINS_CTGAN := $(if $(filter ctgan,$(SYNTHESIZER)),$(if $(EPOCHS)$(filter-out data/german_credit.csv,$(DATA)),yes))

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench wheel shipped-model clean

help: ## Show this list.
	@echo "make run [DATA=file.csv TARGET=column ROWS=n SYNTHESIZER=name EPOCHS=n SEED=n OUT=folder]"
	@echo
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

run: $(VENV)/.$(if $(TRAINS_CTGAN),all,standard) ## Make synthetic data, prove it, deliver it: the main job.
	@$(BIN)/synthcredit run --data "$(DATA)" $(if $(TARGET),--target "$(TARGET)") --rows $(ROWS) --seed $(SEED) \
		--synthesizer $(SYNTHESIZER) $(if $(EPOCHS),--set epochs=$(EPOCHS)) --out "$(OUT)"

test: $(VENV)/.all lint ## Check style, types and walls, then run every test.
	$(BIN)/pytest -n 2 --cov --cov-report=term:skip-covered --cov-fail-under=85

lint: $(VENV)/.all ## Check style, types and walls.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.all ## Bring the code into shape.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.all ## Measure speed, memory and fidelity beside stock libraries.
	$(BIN)/python benchmarks/sampling.py
	$(BIN)/python benchmarks/fidelity.py --data data/german_credit.csv --target creditability

wheel: $(VENV)/.all ## Build the wheel into dist/.
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

shipped-model: $(VENV)/.all ## Train the CTGAN of german_credit that ships with the package.
	$(BIN)/python data/make_shipped_model.py

clean: ## Remove the environment, the results and all caches.
	rm -rf $(VENV) out .synthcredit dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@sh .ci/venv $(PYTHON) $(VENV)

$(VENV)/.standard: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up (once): packages for learning, proving and delivering ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[standard]"
	@touch $@

$(VENV)/.all: pyproject.toml constraints.txt requirements.txt | $(VENV)/bin/python
	@echo "Setting up (once): all packages, torch and the test tools among them; this takes some minutes ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@ $(VENV)/.standard
