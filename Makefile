# The only way to run anything. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

UV := .tools/bin/uv
PYTHON := .venv/bin/python
SAM := .venv-sam/bin/sam
# Whatever is given on the command line reaches the commands by the environment: make up SCICAT_URL=... STRICT=1
export UV
# What was compiled is kept, whatever the caller's shell says: tests and stacks start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE
SOURCES := functions layers/archiver/archiver local mocks bench pages tests

.PHONY: help up down status reload sweep logs demo test test-fast test-tools test-e2e faults bench bench-api docs site check format openapi lock deploy invoke doctor contract clean

help: ## Show what there is to run
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV): requirements/tools.txt
	@echo "Fetching uv"
	@python3 -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt
	@touch $@

# Every environment is one locked file: .venv for development, .venv-sam, .venv-localstack, .venv-lambda, .venv-site.
.venv/.synced: requirements/dev.txt .python-version $(UV)
	@echo "Making .venv"
	@$(UV) venv --quiet --clear --python 3.13 .venv
	@$(UV) pip sync --quiet --compile-bytecode --python $(PYTHON) requirements/dev.txt
	@printf '%s\n' '$(CURDIR)' '$(CURDIR)/layers/archiver' > .venv/lib/python3.13/site-packages/scopemarchiver.pth
	@touch $@

.venv-sam/.synced: requirements/sam.txt .venv/.synced
	@$(PYTHON) -m local environments sam

up: .venv/.synced ## Start the whole service on this machine; ends with its addresses
	@$(PYTHON) -m local up

down: .venv/.synced ## Stop everything that `make up` started
	@$(PYTHON) -m local down

status: .venv/.synced ## Say what runs, and where
	@$(PYTHON) -m local status

reload: .venv/.synced ## Make changed functions, layer and workflows live again, in seconds
	@$(PYTHON) -m local reload

sweep: .venv/.synced ## Put right at once what was stopped, lost or never begun (on this machine)
	@$(PYTHON) -m local sweep

# Of the local stack; of a deployment with STACK=<its name>; of any SciCat with SCICAT_URL=..., SCICAT_USERNAME=... and
# SCICAT_PASSWORD=... (all of it: .venv/bin/python -m local.doctor --help). JSON=1 is for programs.
doctor: .venv/.synced ## Say what works with a SciCat, what does not, and what mends it: make doctor SCICAT_URL=...
	@$(PYTHON) -m local.doctor $(if $(JSON),--json)

# SKIP_PULL=1 takes the runtime image that is already on this machine.
invoke: .venv/.synced .venv-sam/.synced ## Run one function in AWS's own image (needs Docker): make invoke FUNCTION=ReadDrop EVENT=events/read-drop.json
	@test -n "$(FUNCTION)" -a -n "$(EVENT)" || (echo "Say which: make invoke FUNCTION=ReadDrop EVENT=events/read-drop.json"; exit 1)
	@$(PYTHON) -m local invoke "$(FUNCTION)" "$(EVENT)" $(if $(SKIP_PULL),--skip-pull-image)

demo: .venv/.synced ## Archive real cryo-EM files, retrieve them, compare every byte
	@$(PYTHON) -m local demo

# On two cores a third worker works while the others wait for their servers.
FAST := -n 3 --dist worksteal tests/test_names.py tests/unit tests/workflow tests/contract tests/faults

test: .venv/.synced .venv-sam/.synced ## Run all tests: unit, workflow, contract, then end to end on a stack of their own
	$(PYTHON) -m pytest --cov --cov-report=term $(FAST)
	$(PYTHON) -m pytest tests/e2e

test-fast: .venv/.synced ## Run the tests that need no local stack
	$(PYTHON) -m pytest $(FAST)

# Other programs for tars, which no package of ours brings: on Debian
#   apt-get install busybox libarchive-tools 7zip p7zip-full
test-tools: .venv/.synced ## Run the tests that restore with bsdtar, 7-Zip and BusyBox, which must be installed
	$(PYTHON) -m pytest tests/tools

test-e2e: .venv/.synced .venv-sam/.synced ## Run the end-to-end tests alone
	$(PYTHON) -m pytest tests/e2e

contract: .venv/.synced ## Run the contract tests of a SciCat against a real one: make contract SCICAT_URL=... (as for doctor)
	@test -n "$(SCICAT_URL)" || (echo "Say which: make contract SCICAT_URL=... (and the accounts, as for make doctor)"; exit 1)
	$(PYTHON) -m pytest tests/contract/catalogue

# SEED=... repeats a run that named it.
faults: .venv/.synced .venv-sam/.synced ## Run the tests of every fault, then 10,000 random steps of users, faults and operators
	@$(PYTHON) -m tests.faults $(if $(SEED),--seed $(SEED))

# ONLY=packaging measures that part alone: scale, growth; on a stack of their own imports, memory, packaging, shapes, and
# many, which is measured only when asked for.
bench: .venv/.synced .venv-sam/.synced ## Measure speed, memory and requests: bench/report.md, docs/cost.md (some 30 minutes)
	@$(PYTHON) -m bench $(if $(ONLY),--only $(ONLY)) $(if $(RUNS),--runs $(RUNS))

bench-api: .venv/.synced ## Print how fast the HTTP API is on the local stack, beside its limits
	@$(PYTHON) -m bench.measure.http_api

docs: .venv/.synced ## Write the pages of docs/ that are written from the code and the tests
	@$(PYTHON) -m tests.faults.table && $(PYTHON) -m pages

.venv-site/.synced: requirements/site.txt .python-version $(UV)
	@echo "Making .venv-site"
	@$(UV) venv --quiet --clear --python 3.13 .venv-site
	@$(UV) pip sync --quiet --python .venv-site/bin/python requirements/site.txt
	@touch $@

# It asks no other host when it is read: mermaid.min.js comes with the environment.
site: .venv/.synced .venv-site/.synced ## Build the site of the documentation: .site/html/index.html
	@$(PYTHON) -m pages.site .venv-site/lib/python3.13/site-packages/artoo_mermaid/assets/mermaid.min.js
	@.venv-site/bin/zensical build --clean -f .site/mkdocs.yml
	@echo "Built .site/html/index.html"

check: .venv/.synced .venv-sam/.synced ## Format, lint, types, spelling, import rules, template, names, the table of faults
	@.venv/bin/ruff format --check --quiet $(SOURCES) || (echo "run: make format"; exit 1)
	@.venv/bin/ruff check --quiet $(SOURCES)
	@.venv/bin/mypy --no-error-summary $(SOURCES)
	@.venv/bin/typos --quiet
	@.venv/bin/lint-imports --no-logo > .import-linter.log || (cat .import-linter.log; exit 1)
	@SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint > /dev/null
	@.venv/bin/cfn-lint template.yaml
	@$(PYTHON) -m pytest -q tests/test_names.py tests/faults/test_table.py
	@echo "All checks passed."

format: .venv/.synced ## Format the code, and write the Retry of every task
	@.venv/bin/ruff check --quiet --fix-only $(SOURCES); .venv/bin/ruff format $(SOURCES); $(PYTHON) -m pages.retries

openapi: .venv/.synced ## Write what the HTTP API is into docs/openapi.json
	@$(PYTHON) -c 'from archiver.http.app import api; print(api.get_openapi_json_schema())' > docs/openapi.json

lock: $(UV) ## Lock the dependencies again, with versions and hashes
	@compile() { $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.13 "$$@"; }; \
	compile pyproject.toml -o requirements/layer.txt && \
	compile pyproject.toml --group dev -o requirements/dev.txt && \
	compile --group sam -o requirements/sam.txt && \
	compile --group runtime -o requirements/runtime.txt && \
	compile --group site -o requirements/site.txt && \
	compile --group localstack --exclude-newer 2026-03-24 -o requirements/localstack.txt

# SAM asks for the parameters until samconfig.toml has them; the secret ones stay in the stack alone. ASK=1 asks again.
ASK = $(shell sed -n '/^\[$(ENV)\.deploy/,/^\[/p' samconfig.toml | grep -q SciCatUrl= || echo 1)
# Lambda cannot write it beside the code, and would compile hundreds of modules at every cold start.
BYTECODE := $(PYTHON) -m compileall -q --invalidation-mode checked-hash .aws-sam/build
CREDENTIALS := import boto3, sys; sys.exit(boto3.Session().get_credentials() is None)

deploy: .venv-sam/.synced ## Deploy to AWS: make deploy ENV=dev
	@case "$(ENV)" in dev|prod) ;; *) echo "Say where: make deploy ENV=dev (or ENV=prod; see samconfig.toml)"; exit 1;; esac
	@.venv-sam/bin/python -c '$(CREDENTIALS)' 2> /dev/null || (echo "No AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."; exit 1)
	@PATH="$(CURDIR)/.venv-sam/bin:$$PATH" $(SAM) build && $(BYTECODE) && $(SAM) deploy --config-env $(ENV) $(if $(ASK),--guided)

clean: .venv/.synced ## Stop the stack and delete everything that can be made again
	@$(PYTHON) -m local down
	@rm -rf .aws-sam .site .venv .venv-* local/.state local/.cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .import-linter.log
