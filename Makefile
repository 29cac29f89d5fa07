# Every target but `clean` sets up the virtual environment first. `make` alone lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test test-unit test-all soak test-dynamodb-local test-moto check check-code check-template format package deploy teardown secret export catalog replay staff bench load lighthouse screenshots clean

# Where it is set, each of pytest's workers compiles all tests anew, and each local process all modules.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
PY := $(VENV)/bin/python
# The shop that a target works on: `local` is the one of `make run`, others have a file in infra/aws/stages.
STAGE ?= local
ON_STAGE := $(if $(filter local,$(STAGE)),$(PY) -m infra.local.run_on_local,$(PY) -m infra.aws.run_on_stage "$(STAGE)")
# What `make test` runs: the features' tests that are not marked slow, and one purchase in a real browser.
FEATURES := $(addprefix tests/,cart catalog checkout common doors ledger mail orders payments security staff telemetry web test_architecture.py)
PURCHASE := tests/e2e/test_purchase.py
# Values that count as yes; REPLACE=0 and REPLACE=no do not.
yes = $(filter 1 y yes,$(1))

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' Makefile

$(VENV)/.installed: requirements.txt requirements-dev.txt infra/local/venv.sh
	@infra/local/venv.sh

run: $(VENV)/.installed ## run the shop and everything it needs on this machine; PORT= (default 8000)
	@exec $(PY) -m infra.local.supervisor

test: $(VENV)/.installed ## run before each commit: the features' tests and a purchase in a browser, or ARGS=
	@$(PY) -m infra.local.chromium --install >/dev/null || true  # pytest's last line says what is left out without it
	@exec $(PY) -m pytest -n 4 $(or $(ARGS),-m "not slow" $(FEATURES) $(PURCHASE))

test-unit: $(VENV)/.installed ## run the feature tests that need no local cloud (seconds); ARGS=
	@exec $(PY) -m pytest -q -m "not cloud and not slow" $(or $(ARGS),$(FEATURES))

test-all: $(VENV)/.installed ## run all tests, as CI does; ARGS=
	@$(PY) -m infra.local.chromium --install >/dev/null || true
	@$(PY) -m infra.aws.checks.security_scan
	@exec $(PY) -m pytest -n 4 $(ARGS)

test-dynamodb-local: $(VENV)/.installed ## run the tests that touch tables on Amazon's DynamoDB Local; asks before it is fetched; YES=1 ARGS=
	@$(PY) -m infra.local.dynamodb_local
	@exec env DYNAMODB=local $(PY) -m pytest -n 4 $(ARGS)

test-moto: $(VENV)/.installed ## run the tests of cart, checkout, orders, payments, ledger and mail on moto; ARGS=
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-moto.txt
	@exec env CLOUD=moto $(PY) -m pytest -n 4 $(or $(ARGS),$(addprefix tests/,cart checkout orders payments ledger mail))

soak: $(VENV)/.installed ## run the long fault tests: SEEDS= simulated days (default 20), all faults, 10,000 fuzz requests; SEED= repeats one day
	@SEEDS="$(SEEDS)" SEED="$(SEED)" SHOPPERS="$(SHOPPERS)" $(PY) -m tests.simulation
	@test -n "$(SEED)" || $(PY) -m pytest -q -n 2 --soak tests/fault_injection
	@test -n "$(SEED)" || $(PY) -m tests.security

check: $(VENV)/.installed ## check formatting, lint, types and the CloudFormation template
	@exec $(MAKE) --no-print-directory -j 2 check-code check-template

check-code: $(VENV)/.installed
	@$(PY) -m ruff format --quiet --check --diff .
	@$(PY) -m ruff check --quiet .
	@exec $(PY) -m mypy --no-error-summary

check-template: $(VENV)/.installed
	@$(PY) -m infra.aws.package.build --here >/dev/null
	@exec $(VENV)/bin/cfn-lint build/aws/sam.yaml

format: $(VENV)/.installed ## format the code and apply the linter's fixes
	@$(PY) -m ruff check --quiet --fix .
	@exec $(PY) -m ruff format --quiet .

package: $(VENV)/.installed ## build the package that CloudFormation deploys, in build/aws; STAGE= (default prod) ARCH= (default arm64)
	@exec $(PY) -m infra.aws.package.build --stage "$(if $(filter local,$(STAGE)),prod,$(STAGE))" --arch "$(or $(ARCH),arm64)"

deploy: $(VENV)/.installed ## deploy to AWS: STAGE=prod; WEBHOOK_ID= from PayPal; ADOPT=1 REPLACE=1 CHANGE= KEEP=1 only if it asks for them; NEW_ORIGIN_SECRET=1
	@exec $(PY) -m infra.aws.deploy "$(STAGE)" --webhook-id "$$WEBHOOK_ID" --change "$$CHANGE" $(if $(call yes,$(ADOPT)),--adopt) $(if $(call yes,$(REPLACE)),--replace) $(if $(call yes,$(KEEP)),--keep) $(if $(call yes,$(NEW_ORIGIN_SECRET)),--new-origin-secret)

teardown: $(VENV)/.installed ## delete a stage from AWS after confirmation, keeping its data: STAGE= DATA=delete
	@exec $(PY) -m infra.aws.teardown "$(STAGE)" --data "$$DATA"

secret: $(VENV)/.installed ## store PayPal's secret for a stage in SSM; asks for it: STAGE=
	@exec $(PY) -m infra.aws.paypal_secret "$(STAGE)"

export: $(VENV)/.installed ## create one day's books now: DAY=2026-11-22 STAGE=
	@exec $(ON_STAGE) $(PY) -m infra.commands.export_books "$$DAY"

catalog: $(VENV)/.installed ## preview the changes of a CSV or JSON product file, and import it: FILE= STOCK=ignore|set|add YES=1|no STAGE=
	@exec $(ON_STAGE) $(PY) -m infra.commands.import_catalog "$$FILE" "$$STOCK" "$$YES"

replay: $(VENV)/.installed ## redrive the messages of a dead-letter queue, after confirmation: QUEUE=order-emails YES=1 STAGE=
	@exec $(ON_STAGE) $(PY) -m infra.commands.redrive_dlq "$$QUEUE" "$$YES"

staff: $(VENV)/.installed ## create a staff account; asks for its password: EMAIL= ROLE=merchant|finance STAGE=
	@exec $(ON_STAGE) $(PY) -m infra.commands.create_staff_user "$$EMAIL" "$$ROLE"

bench: $(VENV)/.installed ## measure the speed of every page; ARGS=
	@exec $(PY) -m tests.benchmarks $(ARGS)

load: $(VENV)/.installed ## simulate a flash sale over HTTP in a separate shop; ARGS="--shoppers 300 --units 20"
	@exec $(PY) -m tests.load $(ARGS)

lighthouse: $(VENV)/.installed ## run Lighthouse on shop, category, product, cart and checkout; needs Node; RUNS= (default 5)
	@exec $(PY) -m infra.commands.lighthouse

screenshots: $(VENV)/.installed ## take the screenshots in docs/screenshots from a fresh demo shop
	@exec $(PY) -m infra.screenshots

clean: ## delete the virtual environment, caches and builds; keeps .local, the local shop's data
	@rm -rf $(VENV) build .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .chalice/deployments
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
