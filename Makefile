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
GATE ?= sharing
OUT ?= out

# Several tests at a time, of which some wait for a platform; so one thread each for what would take all processors.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist loadgroup --no-loadscope-reorder

# Training ctgan needs torch and sdv; the shipped model of german_credit does not.
TRAINS_CTGAN := $(if $(filter ctgan,$(SYNTHESIZER)),$(if $(EPOCHS)$(filter-out data/german_credit.csv,$(DATA)),yes))

# The embedded AWS, SAM and checkov each want an environment of their own.
EMBEDDED := .venv-aws
SAM := .venv-sam
CHECKOV := .venv-checkov

.DEFAULT_GOAL := help
.PHONY: help run up down ready-to-run ready-to-test test coverage lint format bench openapi schema image wheel shipped-model clean

help: ## Show this list.
	@echo "make run [DATA=file.csv TARGET=column ROWS=n SYNTHESIZER=name EPOCHS=n SEED=n GATE=profile OUT=folder]"
	@echo
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

run: up ## Make synthetic data on the embedded AWS, prove it, publish it: the main job.
	@$(BIN)/synthcredit submit --data "$(DATA)" $(if $(TARGET),--target "$(TARGET)") --rows $(ROWS) --seed $(SEED) \
		--synthesizer $(SYNTHESIZER) $(if $(EPOCHS),--set epochs=$(EPOCHS)) --gate-profile $(GATE) --out "$(OUT)"

up: ready-to-run ## Start the embedded AWS and deploy template.yaml to it.
	@$(BIN)/synthcredit up

down: ## Stop the embedded AWS; what it holds is kept.
	@$(BIN)/synthcredit down

test: ready-to-test lint ## Check style, types and walls, then run every test.
	$(PYTEST)

coverage: ready-to-test ## Run every test and measure coverage; a third slower.
	$(PYTEST) --cov --cov-report=term:skip-covered --cov-fail-under=85

lint: $(VENV)/.all ## Check style, types and walls.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.all ## Bring the code into shape.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.all ## Measure speed, memory, fidelity and evidence beside stock libraries.
	$(BIN)/python benchmarks/api_import.py
	$(BIN)/python benchmarks/sampling.py
	$(BIN)/python benchmarks/copula.py
	$(BIN)/python benchmarks/synthesizers.py
	$(BIN)/python benchmarks/evidence.py --rows 30000 1000000
	$(BIN)/python benchmarks/stores.py
	$(BIN)/python benchmarks/portfolio.py
	$(BIN)/python benchmarks/declared.py

openapi: $(VENV)/.all ## Write docs/openapi.json anew.
	$(BIN)/python functions/api/openapi.py

schema: $(VENV)/.all ## Write docs/schema/evidence.json and the settings in docs/synthesizers.md anew.
	$(BIN)/python docs/schema/write.py
	$(BIN)/python docs/synthesizers/write.py

image: $(VENV)/.all ## Build the container image, push it to ECR, print its address. [REGION= TAG= WITH_CTGAN=yes COMPUTE=gpu]
	@$(BIN)/python containers/synthesis/push.py $(if $(REGION),--region $(REGION)) $(if $(TAG),--tag $(TAG)) \
		$(if $(filter yes,$(WITH_CTGAN)),--with-ctgan) $(if $(filter gpu,$(COMPUTE)),--gpu)

wheel: $(VENV)/.all ## Build the wheel into dist/.
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

shipped-model: $(VENV)/.all ## Train the CTGAN of german_credit that ships with the package.
	$(BIN)/python data/make_shipped_model.py

clean: ## Remove the environments, the results and all caches.
	@if [ -x $(BIN)/synthcredit ]; then $(BIN)/synthcredit down --delete; fi
	rm -rf $(VENV) $(EMBEDDED) $(SAM) $(CHECKOV) out .synthcredit .aws-sam dist build
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

ready-to-run: $(VENV)/.$(if $(TRAINS_CTGAN),all,standard) $(EMBEDDED)/.done $(SAM)/.done ## Install what `make run` needs; -j2 does so side by side.

ready-to-test: $(VENV)/.all $(EMBEDDED)/.done $(SAM)/.done $(CHECKOV)/.done ## Install what `make test` needs.

$(VENV)/bin/python:
	@sh .ci/venv $(PYTHON) $(VENV)

$(VENV)/.standard: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up (once): packages for learning, proving and delivering ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[standard,aws]"
	@touch $@

$(VENV)/.all: pyproject.toml constraints.txt requirements.txt | $(VENV)/bin/python
	@echo "Setting up (once): all packages, torch and the test tools among them; this takes some minutes ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@ $(VENV)/.standard

$(EMBEDDED)/.done: local/requirements.txt
	@echo "Setting up (once): the embedded AWS ..."
	@sh .ci/venv $(PYTHON) $(EMBEDDED)
	@$(EMBEDDED)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(SAM)/.done: local/requirements-sam.txt
	@echo "Setting up (once): AWS SAM ..."
	@sh .ci/venv $(PYTHON) $(SAM)
	@$(SAM)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(CHECKOV)/.done: local/requirements-checkov.txt
	@echo "Setting up (once): checkov ..."
	@sh .ci/venv $(PYTHON) $(CHECKOV)
	@$(CHECKOV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
