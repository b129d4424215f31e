# One word per task. `make demo` on a bare machine needs Python 3.11 or 3.12, make and a network
# that reaches a Python package index; everything goes into .venv.

PYTHON ?= $(shell for p in python3.11 python3.12 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
export OMP_WAIT_POLICY ?= PASSIVE
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: help setup demo test check format bench fuzz figures clean

help: ## show these words
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.setup ## make .venv and install sallet into it

.venv/.setup: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "sallet needs Python 3.11 or 3.12; install one, or run: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "could not make .venv; on Debian install python3-venv" >&2; exit 2; }
	@echo "installing sallet into .venv (torch is large: a few minutes the first time)" >&2
	$(PIP) torch torchvision
	$(PIP) -e .
	@touch $@

.venv/.test: .venv/.setup
	$(PIP) -e '.[test]'
	@touch $@

.venv/.check: .venv/.test
	$(PIP) -e '.[check]'
	@touch $@

demo: setup ## attack the shipped model, defend it, and write demo/report.html
	$(BIN)/sallet demo --out demo

test: .venv/.test ## run every test
	$(BIN)/python -m pytest

check: .venv/.check ## ruff, pyright and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: .venv/.check ## put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.test ## speed, memory and parity figures, into results/
	$(BIN)/python benchmarks/parity.py --out results/bench-parity.json
	$(BIN)/python benchmarks/memory.py --out results/bench-memory.json
	$(BIN)/python benchmarks/invariance.py --out results/bench-invariance.json
	$(BIN)/python benchmarks/media.py --out results/bench-media.json
	$(BIN)/python benchmarks/intervals.py --out results/bench-statistics.json
	$(BIN)/python benchmarks/judges.py --out results/bench-judges.json
	$(BIN)/python benchmarks/export.py --out results/bench-export.json
	$(BIN)/python benchmarks/scaling.py --out results/bench-scaling.json
	$(BIN)/python benchmarks/stopped.py --out results/bench-stopped.json
	$(BIN)/python benchmarks/harness_overhead.py --workers --out results/bench-harness_overhead.json
	$(BIN)/python benchmarks/retrieval_attack.py --out results/bench-retrieval.json
	$(BIN)/python benchmarks/smoothing.py --out results/bench-smoothing.json --plot results/bench-smoothing.svg
	$(BIN)/python benchmarks/certificate.py --out results/bench-certificate.json
	$(BIN)/python -m venv .litellm
	.litellm/bin/pip install -q 'litellm[proxy]' pillow
	$(BIN)/python benchmarks/gateway.py --litellm .litellm/bin/litellm --out results/bench-gateway.json
	$(BIN)/python benchmarks/table_gateway.py --write
	$(BIN)/python benchmarks/gateway_faults.py --out results/bench-gateway-faults.json
	$(BIN)/pip install -q --no-deps --target .peers -r benchmarks/peers.txt
	$(BIN)/pip install -q --no-deps --target .scorers pycocoevalcap salesforce-lavis
	$(BIN)/python benchmarks/official_scorers.py --peers .scorers --out results/bench-scorers.json
	$(BIN)/python benchmarks/attack_speed.py --peers .peers --out results/bench-attack_speed.json

fuzz: .venv/.test ## ten minutes of hostile requests and ten of hostile bytes, through the gateway
	$(BIN)/python -m venv --system-site-packages .fuzz
	.fuzz/bin/pip install -q -r fuzz/requirements.txt
	PYTHONPATH=. $(BIN)/python fuzz/asking.py --seconds 600 --schemathesis .fuzz/bin/schemathesis \
	  > .fuzz/asking.log 2>&1 || { tail -n 60 .fuzz/asking.log; exit 1; }
	PYTHONPATH=. $(BIN)/python fuzz/seeds.py .fuzz/corpus
	PYTHONPATH=.:$$(echo .fuzz/lib/python3.*/site-packages) $(BIN)/python fuzz/parsing.py \
	  -max_total_time=600 -rss_limit_mb=4096 -artifact_prefix=.fuzz/ .fuzz/corpus \
	  > .fuzz/parsing.log 2>&1 || { tail -n 60 .fuzz/parsing.log; exit 1; }
	$(BIN)/python benchmarks/fuzz_figures.py --logs .fuzz --out results/bench-fuzz.json

figures: setup ## every figure of the README, from its recipe (hours)
	$(BIN)/sallet evaluate recipes/first-defences.yaml --out runs/first-defences --resume

clean: ## remove what tools left behind, not .venv and not results
	rm -rf .pytest_cache .ruff_cache .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
