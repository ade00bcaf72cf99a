# Works on a fresh clone with Python 3.11+ and make; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(PYTHON) requirements/install.py
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(ARGS)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test lint proto bench lock clean

help: ## show this list
	@echo 'usage: make TARGET [ARGS="further arguments"] [PYTHON=python3.13]'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1@\2/p' Makefile | awk -F@ '{ printf "%-8s %s\n", $$1, $$2 }'

run: ## start the embedded trust domain, issuer, model clouds and a walk-through (ONCE=1 ends after it)
	@$(INSTALL) run
	@$(BIN)/spire-bridge dev --clouds $(if $(ONCE),--once) $(ARGS)

test: ## run the whole test suite (SPIRE_REQUIRED=1: without SPIRE it fails)
	@$(INSTALL) test
	$(BIN)/python -m pytest $(ARGS)

lint: ## check format, rules, types, the arrows between rooms and the generated code
	@$(INSTALL) lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python proto/generate.py --check

proto: ## generate spire_bridge/_proto from proto/
	@$(INSTALL) lint
	$(BIN)/python proto/generate.py

bench: ## run the benchmarks and print their table
	@$(INSTALL) test
	$(BIN)/python -m benchmarks $(ARGS)

lock: ## write requirements/*.txt from pyproject.toml (ARGS=--upgrade takes newer versions)
	@$(INSTALL) lock
	$(COMPILE) pyproject.toml --extra dev -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra acme --extra buckets --extra cel --extra templates -c requirements/run.txt \
		-o requirements/extras.txt
	$(COMPILE) --group build -c requirements/run.txt -o requirements/build.txt
	$(COMPILE) --group test -c requirements/run.txt -c requirements/extras.txt -c requirements/build.txt \
		-o requirements/test.txt
	$(COMPILE) --group lint -c requirements/run.txt -c requirements/extras.txt -c requirements/build.txt \
		-c requirements/test.txt -o requirements/lint.txt
	$(COMPILE) --group lock -o requirements/lock.txt
	$(COMPILE) tests/peers/python/requirements.in -o tests/peers/python/requirements.txt

clean: ## remove .venv, caches and build output
	rm -rf .venv dist .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
