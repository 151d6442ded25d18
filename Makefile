# Every command a person types. `make` alone lists them.

# Addresses and people of the local platform: make up PORT=4600, make token USER=contoso-sales-agent
PORT ?=
# Processor that `make build` builds for: arm64 or x86_64.
ARCH ?= arm64
# Name of a stack on AWS that `make redrive` is about.
STACK ?=
# Environment of samconfig.toml that `make deploy` deploys to; whether it asks again.
ENV ?= default
ASK ?=
# An installation that `make smoke` is about.
URL ?=
TOKEN ?=

LOCAL := python3 infra/local
TOOLS = $(abspath .local/venvs/build/bin)
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
TRIPLE := $(if $(filter arm64,$(ARCH)),aarch64,x86_64)-unknown-linux-gnu
CARGO_DENY := 0.20.2

# Named as cargo-lambda names it, so that tests and functions share one build of the dependencies.
export CARGO_BUILD_TARGET := $(HOST)
export CARGO_TARGET_DIR ?= $(abspath target)
export SAM_CLI_TELEMETRY := 0

.PHONY: help up down logs token redrive test load fuzz sbom openapi check types browser screenshots figures build deploy smoke compare sam-local bench clean tools

help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-11s %s\n", $$1, $$2}'

up: ## Run everything on this machine, with demo data (PORT=4600 chooses the port)
	@$(LOCAL) up $(if $(PORT),--port $(PORT))

down: ## Stop it; the data stay
	@$(LOCAL) down

logs: ## Print what the functions log, and go on
	@$(LOCAL) logs

# USER is also a variable of every shell, which is not meant here.
token: ## Print a fresh token (USER=contoso-global-admin, recorder-contoso, operator, …)
	@$(LOCAL) token $(if $(filter command line,$(origin USER)),$(USER),contoso-global-admin)

redrive: ## Send dead letters to their queues again, once the cause is mended (STACK=daybook on AWS)
	@$(LOCAL) redrive $(if $(STACK),--stack $(STACK))

test: ## Run all tests, end to end included; leaves nothing running
	@python3 tests/run.py

# On a stack of its own, as the tests have it.
load: ## Hold the local stack at its limit: nothing lost or doubled, memory flat (MINUTES=5)
	@LOAD_SECONDS=$$((60 * $(or $(MINUTES),5))) $$($(LOCAL) tools tests)/bin/python -m pytest -q -s -p no:cacheprovider tests/e2e/test_load.py -k saturation

fuzz: ## Try made-up inputs for longer (TARGET=activity, query, cursor, csv, filter or recipient; SECONDS=60, SEED=1)
	FUZZ_SECONDS=$(or $(SECONDS),60) FUZZ_SEED=$(or $(SEED),$(shell date +%s)) cargo test -q --workspace --test targets -- $(TARGET) --nocapture

sbom: ## Write what the functions are made of to daybook.cdx.json (CycloneDX)
	@python3 infra/sbom.py daybook.cdx.json

openapi: ## Write the API's description anew, as the code has it
	cargo run -q -p openapi -- functions/portal/assets/openapi.json

check: tools types ## Check format, lints, types of the page, documentation, dependencies and the template
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	PATH="$$PATH:$(abspath .local/cargo/bin)" && command -v cargo-deny >/dev/null || cargo install --locked --root .local/cargo cargo-deny@$(CARGO_DENY)
	PATH="$$PATH:$(abspath .local/cargo/bin)" cargo deny check
	$(TOOLS)/sam validate --lint --region us-east-1
	$(TOOLS)/cfn-lint --regions us-east-1 eu-west-3 us-gov-west-1 -- template.yaml infra/*.yaml
	$$($(LOCAL) tools check)/bin/ruff check && $$($(LOCAL) tools check)/bin/ruff format --check
	$$($(LOCAL) tools check)/bin/checkov --framework cloudformation --quiet --compact --skip-download -f template.yaml infra/*.yaml

types: tests/browser/node_modules
	tests/browser/node_modules/.bin/tsc -p tests/browser

tests/browser/node_modules: tests/browser/package-lock.json
	cd tests/browser && npm ci --silent --no-audit --no-fund
	@touch $@

browser: tests/browser/node_modules ## Install what the page is tested with: Debian's Chromium, axe
	@command -v chromium >/dev/null || sudo apt-get install -y --no-install-recommends chromium

screenshots: ## Take the pictures of the page in docs/ anew, from the stack of make up
	@STACK_JSON=$(abspath .local/stack.json) $$($(LOCAL) tools tests)/bin/python tests/browser/screenshots.py

# To record 100,000 takes some minutes.
figures: ## Measure the page for docs/page.md, on the stack of make up (ACTIVITIES=100000 records so many first)
	@STACK_JSON=$(abspath .local/stack.json) PAGE_ROWS=5000 $(if $(ACTIVITIES),PAGE_ACTIVITIES=$(ACTIVITIES)) $$($(LOCAL) tools tests)/bin/python \
		-m pytest -q -s -p no:cacheprovider tests/e2e/test_page_states.py -k "thousands or large or light"

build: tools ## Build the release artifacts for AWS (ARCH=x86_64 for the other processor)
	@test -d "$$(rustc --print sysroot)/lib/rustlib/$(TRIPLE)" || { \
		echo "The toolchain cannot build for $(ARCH) yet. Run: rustup target add $(TRIPLE)"; \
		echo "Or build for the other processor: make build ARCH=$(if $(filter arm64,$(ARCH)),x86_64,arm64)"; exit 1; }
	PATH="$(TOOLS):$$PATH" sam build --parameter-overrides Architecture=$(ARCH)

deploy: tools ## Deploy what was built to AWS (ENV=gov; asks for everything the first time, with ASK=1 again)
	@PATH="$(TOOLS):$$PATH" $(TOOLS)/python infra/deploy.py --environment $(ENV) $(if $(ASK),--ask)

smoke: ## Prove that an installation works (URL=… TOKEN=…: its API, the operator's token)
	@TOKEN=$(TOKEN) python3 infra/smoke.py $(URL)

compare: tools ## Hold a table against one restored from it (NOW=… THEN=…; COPY=1 puts back what is missing)
	@$(TOOLS)/python infra/compare.py $(NOW) $(THEN) $(if $(COPY),--copy) $(if $(SORT_KEYS),--sort-keys $(SORT_KEYS))

sam-local: ## Run the functions in containers, on the data of make up (needs Docker)
	@$(LOCAL) sam-local

bench: ## Measure what it costs, beside the ordinary ways (ROUNDS=7 ONLY=record,query,cost,instructions,exports)
	@python3 tests/bench $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only $(ONLY)) $(if $(ROWS),--rows $(ROWS)) $(if $(PROFILE),--profile $(PROFILE)) $(if $(ACCEPT),--accept)

clean: ## Stop it and remove its data; tools and builds stay
	@$(LOCAL) clean

tools:
	@$(LOCAL) tools build >/dev/null
