# Every target sets up what it needs: Python 3.11 or later and make are enough.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
PYTEST_WORKERS ?= 2

.PHONY: demo test lint check docs bench bench-monitor thorough first-hour fuzz soak soak-monitor pictures clean

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "pynenc needs Python 3.11 or later; name one with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.core: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.dev: pyproject.toml plugins/pynenc-redis/pyproject.toml plugins/pynenc-mongo/pyproject.toml plugins/pynenc-otel/pyproject.toml plugins/pynenc-rabbitmq/pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[dev]' -e plugins/pynenc-redis -e plugins/pynenc-mongo -e plugins/pynenc-otel -e plugins/pynenc-rabbitmq
	@touch $@ $(VENV)/.core

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[bench]' -e plugins/pynenc-redis -e plugins/pynenc-mongo
	@touch $@ $(VENV)/.core

demo: $(VENV)/.core
	$(BIN)/pynenc demo

test: lint docs check

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

check: $(VENV)/.dev
	$(BIN)/pytest -n $(PYTEST_WORKERS)

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.handles_run
	$(BIN)/python -m benchmarks.redis_run
	$(BIN)/python -m benchmarks.triggers_run
	$(BIN)/python -m benchmarks.workflows_run
	$(BIN)/python -m benchmarks.sealing_run
	$(BIN)/python -m benchmarks.observation_run
	$(BIN)/python -m benchmarks.monitor_peers

bench-monitor: $(VENV)/.bench
	$(BIN)/python -m benchmarks.monitor_run

thorough: $(VENV)/.dev
	$(BIN)/pytest -n $(PYTEST_WORKERS) -m thorough

# The pictures in the manual, which need Debian's chromium.
pictures: $(VENV)/.dev
	$(BIN)/python tests/pictures/make_pictures.py

# The README, the quick start and projects of users, word by word, in an environment with nothing else in it.
first-hour: $(VENV)/.dev
	rm -rf build/first-hour
	$(BIN)/python -m venv build/first-hour
	build/first-hour/bin/python -m pip install --quiet . ipython Django
	PYNENC_TEST_PYTHON=$(CURDIR)/build/first-hour/bin/python $(BIN)/pytest tests/integration/test_first_hour.py \
		tests/integration/test_manual.py -k "first_hour or README or quickstart or projects"

fuzz: $(VENV)/.dev
	PYNENC_TEST_FUZZ_TRIES=1_000_000 $(BIN)/pytest tests/unit/serializer/test_hostile_texts.py -k damaged

soak: $(VENV)/.bench
	$(BIN)/python -m benchmarks.soak_run

soak-monitor: $(VENV)/.bench
	$(BIN)/python -m benchmarks.monitor_soak

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
