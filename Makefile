# Every target works on a fresh machine: Python 3.11 or 3.12 with venv and pip, git, make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= outputs/quickstart
SEED ?= 42
SPIDER ?= ../shared/data/spider
UNSLOTH := unsloth==2026.10.9 unsloth_zoo==2026.10.9
# Two processes with a thread each: tiny matrices gain nothing from more threads. A file's tests stay together.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(if $(CI),--durations=25)
export HF_HUB_DISABLE_TELEMETRY := 1
.PHONY: setup quickstart test coverage test-slow test-gpu lint format docs site sample bench bench-growth audit clean

setup: $(VENV)/.setup-stamp  ## create .venv with everything that the project and its tests need

$(VENV)/.setup-stamp: pyproject.toml constraints.txt Makefile
	$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)) and 'error: Python %d.%d was found, 3.11 or 3.12 is needed: make setup PYTHON=python3.11' % sys.version_info[:2])"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,unsloth-cpu]'
	$(BIN)/python -m pip install --quiet --no-deps $(UNSLOTH)
	touch $@

quickstart: setup  ## the main job: base against tuned accuracy on an embedded model; ROWS=file.jsonl[.gz] OUT=dir SEED=n DISTRACTORS=n RECORDS=n PRECISION=32-true
	exec $(BIN)/text2sql quickstart --out $(OUT) --seed $(SEED) $(if $(ROWS),--rows $(ROWS)) $(if $(DISTRACTORS),--distractors $(DISTRACTORS)) $(if $(RECORDS),--train_examples $(RECORDS)) $(if $(PRECISION),--precision $(PRECISION))

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint  ## lint, types, tiers unit and integration
	$(PYTEST) -m "(unit or integration) and not slow" tests

coverage: setup  ## unit and integration tests with their coverage, which must not fall below the floor of pyproject.toml
	$(PYTEST) -m "(unit or integration) and not slow" --cov --cov-report term:skip-covered tests

test-slow: setup  ## the full "must hold" runs
	$(PYTEST) -m slow tests

test-gpu: setup  ## needs a CUDA device
	$(BIN)/python -m pytest -m gpu tests/gpu

ADAPTER := $(wildcard $(OUT)/run/adapters)
bench: setup .venv-bench/.stamp  ## peers side by side: training, generation with the quickstart's adapter, scoring with OFFICIAL=checkout; ROWS=file SPIDER=dir PREDICTIONS=file
	$(if $(OFFICIAL),$(BIN)/python scripts/bench/official_spider.py --official $(OFFICIAL) --official_python .venv-bench/bin/python --spider_dir $(SPIDER) $(if $(PREDICTIONS),--predictions $(PREDICTIONS)))
	$(BIN)/python scripts/bench/training.py --peer_python .venv-bench/bin/python $(if $(ROWS),--rows $(ROWS)) $(if $(wildcard $(SPIDER)/dev.json),--spider_dir $(SPIDER))
	$(BIN)/python scripts/bench/training.py --peer_python .venv-bench/bin/python $(if $(ROWS),--rows $(ROWS)) --peers unsloth --kinds rows --quantization nf4
	$(if $(wildcard $(SPIDER)/dev.json),$(if $(ADAPTER),$(BIN)/python scripts/bench/generation.py --spider_dir $(SPIDER) --adapter_dir $(ADAPTER)))
	$(BIN)/python scripts/bench/sharing.py
	$(BIN)/python scripts/bench/report.py

bench-growth: setup  ## steps over 1,000 to 1,000,000 rows, made of ROWS=file (half an hour, 2 GB on disk)
	$(BIN)/python scripts/bench/growth.py $(ROWS)
	$(BIN)/python scripts/bench/report.py

BENCH_PIP := .venv-bench/bin/python -m pip install --quiet
.venv-bench/.stamp: constraints.txt pyproject.toml $(VENV)/.setup-stamp  # TRL 1.5.1 is the newest that can train on a CPU; Unsloth asks for torch with CUDA
	$(PYTHON) -m venv .venv-bench
	grep -v '^trl==' constraints.txt > .venv-bench/constraints.txt
	$(BENCH_PIP) --constraint .venv-bench/constraints.txt sqlparse nltk trl==1.5.1 torch transformers peft bitsandbytes accelerate datasets \
	  $$($(BIN)/python -c "import tomllib; extras = tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']; print(*(name for name in extras['unsloth-cpu'] if not name.startswith('trl')))")
	$(BENCH_PIP) --no-deps $(UNSLOTH)
	touch $@

audit: .venv-audit/.stamp  ## known vulnerabilities of the pinned packages, where the database can be reached
	.venv-audit/bin/python scripts/dev/audit.py

.venv-audit/.stamp:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet 'pip-audit>=2.9,<3'
	touch $@

site: setup  ## the documentation as a site in outputs/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

docs: setup  ## write docs/configuration.md from the code
	$(BIN)/python scripts/dev/write_configuration_docs.py

sample: setup  ## make the embedded sample again: the same bytes
	PYTHONPATH=scripts $(BIN)/python -m sample.generate --out text2sql_lightning/assets/sample_rows.jsonl.gz --seed 42

clean:
	rm -rf $(VENV) .venv-audit build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
