# One command each. `make round` and `make test` need nothing but Python 3.11 or 3.12 and a C compiler.
PART ?=
BENCH ?= round
SETS ?= sets
MODEL ?= Qwen/Qwen2.5-Coder-1.5B-Instruct
HOLD = .venv/bin/regenesis ingest --keep-first --name
.PHONY: setup round quick test soak check bench up down docs study-small study-sets study-1.5b

setup: .venv/.made

.venv/.made: pyproject.toml deploy/requirements/constraints.txt deploy/requirements/overrides.txt .ci/setup
	@.ci/setup

round: setup
	@.venv/bin/regenesis round

# What a change is tried by while it is written: no engine, no flow, no stack.
quick: setup
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/pyright
	@.venv/bin/python -m pytest -m "not engine and not slow and not soak" -n 2 --dist loadgroup tests/test_architecture.py tests/rules tests/tasks tests/storage

# PART: a file or folder of tests/, or empty for all.
test: check
	@.venv/bin/python -m pytest -m "not soak" -n 2 --dist loadgroup --no-loadscope-reorder --durations=40 --durations-min=10 tests/$(PART)

soak: setup
	@.venv/bin/python -m pytest -m soak tests/$(PART)

check: setup
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/pyright
	@.venv/bin/lint-imports
	@.venv/bin/deptry flows tasks storage
	@.venv/bin/python .ci/audit.py

bench: setup
	@.venv/bin/python benchmarks/$(BENCH).py

# One row of the study of docs/study-135m/plan.md, on the embedded model, in at most half an hour.
study-small: setup
	@.venv/bin/regenesis compare --settings docs/study-135m/small.toml

# The question sets of docs/study-1.5b/plan.md from the folder SETS. GSM-Plus has seven variants of each question in a
# row, which are not independent: one of each is taken, another kind in turn. A set that is there stays as it is.
study-sets: setup
	@for set in gsm8k arc_challenge strategyqa; do $(HOLD) $$set $(SETS)/$$set.jsonl.gz || exit; done
	@for set in svamp aqua_rat qasc bbh_logic; do $(HOLD) $$set $(SETS)/$$set.jsonl.gz --domain out_of_domain || exit; done
	@mkdir -p .regenesis
	@zcat $(SETS)/gsm_plus_mini.jsonl.gz | awk '(NR - 1) % 7 == int((NR - 1) / 7) % 7' > .regenesis/gsm_plus.jsonl
	@$(HOLD) gsm_plus .regenesis/gsm_plus.jsonl --domain out_of_domain

# MODEL: the base's name on the hub, its folder, or its GGUF file. Goes on where it stopped.
study-1.5b: study-sets
	@.venv/bin/regenesis compare --settings docs/study-1.5b/study.toml --model $(MODEL)

# Prefect's server on Postgres, MLflow and a worker with every deployment; Ctrl-C, or `make down` elsewhere, ends it.
up: setup
	@.venv/bin/regenesis up

down: setup
	@.venv/bin/regenesis down

# The documentation, with the reference made from the code: open site/index.html by `python -m http.server -d site`.
docs: setup
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet
