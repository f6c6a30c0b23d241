# What one does with a checkout. Each target makes its own .venv: by uv where there is one, else by `python3 -m venv`.

PYTHON ?= python3
UV     ?= $(shell command -v uv 2>/dev/null)
ARGS   ?=
# Tests that run at the same time: most of them wait for a server.
JOBS   ?= 4

VENV := .venv
BIN  := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-full fuzz lint bench screenshots clean

help:
	@echo "make demo         read the mail of an embedded provider, in a throw-away home"
	@echo "make test         the tests; those whose server is not installed are skipped and say so"
	@echo "make test-full    the tests with the exhaustive ones"
	@echo "make fuzz         each parser for a minute on odd input; ARGS='--seconds 600 body' for longer, or for one"
	@echo "make lint         ruff, mypy and the import contracts"
	@echo "make bench        speed, side by side with the peers that are installed"
	@echo "make screenshots  the pictures of the README, from the demo"
	@echo "make gallery      very different mails as termmail, neomutt and w3m show them, side by side, in build/gallery"
	@echo "make clean        remove what these made, .venv too"
	@echo "PYTHON=python3.12 chooses an interpreter, ARGS='-k imap' goes to pytest, the benchmark or the demo."

demo: $(VENV)/.stamp
	$(BIN)/termmail demo $(ARGS)

test: $(VENV)/.stamp-dev
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

test-full: $(VENV)/.stamp-dev
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --full $(ARGS)

# atheris guides it by what the code does, where it can be installed (it needs clang's runtime); without it Hypothesis does.
fuzz: $(VENV)/.stamp-dev
ifneq ($(UV),)
	-$(UV) pip install --quiet --python $(BIN)/python atheris
else
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
endif
	PYTHONPATH=tests $(BIN)/python tests/fuzz/run.py $(ARGS)

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.stamp-dev
	PYTHONPATH=tests $(BIN)/python tests/bench/run.py $(ARGS)

screenshots: $(VENV)/.stamp-dev
	PYTHONPATH=tests $(BIN)/python tests/screenshots.py $(ARGS)

gallery: $(VENV)/.stamp-dev
	PYTHONPATH=tests $(BIN)/python tests/gallery/compare.py $(ARGS)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Python compiles on import what the demo needs; compiling all that is installed would take longer than reading the first mail.
$(VENV)/.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "termmail needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
		exit 1; }
ifneq ($(UV),)
	test -x $(BIN)/python || $(UV) venv --quiet --clear --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --editable .
else
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) || { \
		echo "'$(PYTHON) -m venv' does not work here. On Debian: apt install python3-venv. Or install uv." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --editable .
endif
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp
ifneq ($(UV),)
	$(UV) pip install --quiet --python $(BIN)/python --group dev
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
endif
	@touch $@
