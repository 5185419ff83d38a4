# Petiole's commands: `make help` lists them. Everything may be interrupted and run again.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help lab quick test docs clean python-version

help: ## show this list
	@echo "make <target> [ARGS='options of petiole lab'] [PYTHON=python3.12]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-6s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

lab: $(VENV)/.installed ## install into .venv and run the whole lab
	$(BIN)/petiole lab $(ARGS)

quick: $(VENV)/.installed ## the same in a small version, for trying out
	$(BIN)/petiole lab --profile quick $(ARGS)

test: $(VENV)/.installed-dev ## what CI runs: format check, lint, strict types, all tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	GOMP_SPINCOUNT=1000 $(BIN)/pytest -q -n auto --dist loadfile --no-loadscope-reorder  # threads that wait leave the cores to the other files

docs: $(VENV)/.installed-dev ## the documentation, into build/docs/index.html
	$(BIN)/python -m sphinx -W --keep-going -q -E -d build/doctrees docs build/docs
	@echo "The documentation: build/docs/index.html"

clean: ## remove .venv, caches and build products; results in runs/ stay
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . \( -path ./.git -o -path ./runs \) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written last, so that an installation that was interrupted is taken up again.
$(VENV)/.installed: pyproject.toml | python-version
	@echo "Installing Petiole into $(VENV): some minutes, once."
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | python-version
	@echo "Installing Petiole and its tests' tools into $(VENV): some minutes, once."
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --editable ".[dev]"
	@touch $(VENV)/.installed $@

python-version:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Petiole needs Python 3.11 or newer, and '$(PYTHON)' is not: install one, then run make PYTHON=python3.11" >&2; \
	  exit 2; }
