# One-line targets over uv, which is fetched into .uv/ where it is not installed.
UV := $(shell command -v uv || echo .uv/bin/uv)
RUN := $(UV) run --locked

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' services/api/pyproject.toml)
BAKE = VERSION=$(VERSION) REVISION=$$(git describe --always --dirty --abbrev=40 --exclude='*') CREATED=$$(git log -1 --format=%cI) docker buildx bake --load --file docker-bake.hcl

.PHONY: help setup demo up down status test lint format bench bench-scale soak images demo-compose test-compose demo-kubernetes test-kubernetes
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z.-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

.uv/bin/uv:
	@python3 -m venv .uv && .uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.13,<0.14'

setup: $(filter .uv/%,$(UV)) ## install what the other targets need
	@$(UV) sync --locked --quiet --compile-bytecode

demo: setup ## take two Keras models through their whole life on a real Kafka stream
	@$(RUN) examples/digits/demo.py

up: setup ## start the platform on this machine
	@$(RUN) kafkaml-local up

down: setup ## stop it; nothing is lost
	@$(RUN) kafkaml-local down

status: setup ## show what runs
	@$(RUN) kafkaml-local status

test: setup ## run all tests against a real Postgres and a real Kafka
	@$(RUN) pytest --numprocesses 4 --dist loadgroup

lint: setup ## check style, types, import contracts and the lock
	@$(UV) lock --check --quiet
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) lint-imports
	@$(RUN) shared/scripts/unasync.py --check

format: setup ## format the code
	@$(RUN) ruff format . && $(RUN) ruff check --fix .

bench: setup ## print the figures of speed, as ratios (PARTS="training engines" for some)
	@$(RUN) tests/bench/run.py $(PARTS)

bench-scale: setup ## print what thousands of workloads cost, on a cluster in memory
	@$(RUN) tests/bench/orchestrator_scale.py

soak: setup ## do harm for MINUTES=30 and see what that costs; CAMPAIGN=payloads: only so
	@$(RUN) tests/soak/run.py $(or $(MINUTES),30) $(CAMPAIGN)

images: ## build the images, and show their sizes
	@$(BAKE) $(TARGETS)
	@docker image ls --filter reference='kafka-ml/*:$(VERSION)' --format 'table {{.Repository}}:{{.Tag}}\t{{.Size}}'

.env:
	@python3 scripts/make_env.py

demo-compose: setup .env images ## run the demo on Docker compose
	@docker compose up --wait --wait-timeout 300
	@set -a; . ./.env; KAFKA_ML_URL=http://127.0.0.1:$${KAFKA_ML_API_PORT:-8000} KAFKA_ML_TOKEN=$$KAFKA_ML_ADMIN_TOKEN KAFKA_ML_BOOTSTRAP_SERVERS=127.0.0.1:$${KAFKA_ML_KAFKA_PORT:-9092} $(RUN) examples/digits/demo.py
	@echo "It runs on. See it: docker compose ps   Stop it: docker compose down   Remove its data too: docker compose down --volumes"

test-compose: setup images ## test the images and the platform on Docker compose
	@$(RUN) pytest -m docker tests/compose tests/orchestrator/executors

demo-kubernetes: setup ## run the demo in the cluster of kubectl, which has the images
	@$(RUN) scripts/demo_kubernetes.py

test-kubernetes: setup ## test the platform in a cluster that is for tests
	@$(RUN) pytest -m kubernetes tests/kubernetes tests/orchestrator
