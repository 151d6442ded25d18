# Every command a person types. `make` alone lists them.

# Port and users of the local platform: make up PORT=4600, make token USER=contoso-sales-agent
PORT ?=
# Processor that `make build` builds for: arm64 or x86_64.
ARCH ?= arm64
# For `make redrive`: name of a stack on AWS; dead letters to send again or to drop.
STACK ?=
SEND ?=
DROP ?=
# Environment of samconfig.toml, for `make deploy`; ASK=1 asks all questions again.
ENV ?= default
ASK ?=
# Address and token of an installation, for `make smoke`.
URL ?=
TOKEN ?=

LOCAL := python3 infra/local
TOOLS = $(abspath .local/venvs/build/bin)
SAM_TOOLS = $(abspath .local/venvs/sam/bin)
CHECK_TOOLS = $(abspath .local/venvs/check/bin)
RUST_TOOLS = $(abspath .local/venvs/rust/bin)
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
# The variables of the command line as words in quotes: PARTNER='tailspin' NAME='Tailspin Toys'. Those of the environment are left
# out, because shells set NAME and the like. TOKEN stays in the environment, where other users of the machine cannot see it.
GIVEN = $(foreach name,$(filter-out -% MAKE% TOKEN,$(.VARIABLES)),$(if $(filter command,$(origin $(name))),$(name)='$(subst ','\'',$($(name)))'))
TRIPLE := $(if $(filter arm64,$(ARCH)),aarch64,x86_64)-unknown-linux-gnu
CARGO_MUTANTS := 27.1.0

# A named target makes cargo keep its output where cargo-lambda and `make up` look for it.
export CARGO_BUILD_TARGET := $(HOST)
export CARGO_TARGET_DIR ?= $(abspath target)
export SAM_CLI_TELEMETRY := 0

.PHONY: help up down logs token redrive onboard partner test soak mutants load fuzz sbom features openapi constants check lint types vendor browser screenshots figures build deploy smoke compare compare-details costs sam-local bench clean tools

help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-11s %s\n", $$1, $$2}'

up: ## Run everything on this machine, with demo data (PORT=4600 chooses the port)
	@$(LOCAL) up $(if $(PORT),--port $(PORT))

down: ## Stop everything and keep the data
	@$(LOCAL) down

logs: ## Print the logs of the functions, and follow them
	@$(LOCAL) logs

# Only USER from the command line counts, because every shell sets a variable of that name.
token: ## Print a fresh token (USER=contoso-global-admin, recorder-contoso, operator, …)
	@$(LOCAL) token $(if $(filter command line,$(origin USER)),$(USER),contoso-global-admin)

redrive: ## Show dead letters (STACK=daybook on AWS); SEND=all, a queue or ids sends them again, DROP=… deletes them
	@$(LOCAL) redrive $(if $(STACK),--stack $(STACK)) $(if $(SEND),--send $(SEND)) $(if $(DROP),--drop $(DROP))

onboard: ## Bring a partner in: PARTNER=tailspin ADMIN=ana@tailspin.example (STACK=daybook on AWS; alone, it lists all inputs)
	@python3 infra/onboard.py $(GIVEN)

partner: ## Show a partner: registry, months, settings, people, clients, exports (PARTNER=tailspin; without it, list all)
	@python3 infra/partner.py $(GIVEN)

test: ## Run all tests, also end to end; leave nothing running
	@python3 tests/run.py

soak: ## Run the long tests with large amounts, an hour or two; writes the results to docs/trust.md (RUST=histories PYTHON=streams: these only)
	@python3 tests/run.py --soak $(if $(RUST),--rust '$(RUST)') $(if $(PYTHON),--python '$(PYTHON)')

# A test that no mutant of the code fails is a test that checks nothing.
mutants: ## Count the small changes of the domain crate that a test catches (SHARD=3/8, ONLY="src/fold.rs src/time/month.rs")
	@command -v .local/cargo/bin/cargo-mutants >/dev/null || cargo install --quiet --locked --root .local/cargo cargo-mutants@$(CARGO_MUTANTS)
	@PATH="$(abspath .local/cargo/bin):$$PATH" python3 tests/mutants.py $(if $(SHARD),--shard $(SHARD)) $(if $(ONLY),--file $(ONLY))

# Deploys a stack of its own, as the tests do.
load: ## Test the local stack at saturation: nothing lost or doubled, flat memory (MINUTES=5)
	@LOAD_SECONDS=$$((60 * $(or $(MINUTES),5))) $$($(LOCAL) tools tests)/bin/python -m pytest -q -s -p no:cacheprovider tests/e2e/test_load.py -k saturation

fuzz: ## Fuzz one target (TARGET=activity, query, cursor, csv, filter or recipient; SECONDS=60, SEED=1)
	FUZZ_SECONDS=$(or $(SECONDS),60) FUZZ_SEED=$(or $(SEED),$(shell date +%s)) cargo test -q --workspace --test targets -- $(TARGET) --nocapture

sbom: ## Write the bill of materials of the functions to daybook.cdx.json (CycloneDX)
	@python3 infra/sbom.py daybook.cdx.json

features: ## Write the features that functions and tests share (after a change of dependencies)
	@python3 infra/unified_features.py

openapi: ## Write the API's description from the code
	cargo run -q -p openapi -- functions/portal/assets/openapi.json

constants: ## Write the constants that the tests of the template read, from the code
	cargo run -q -p openapi -- --constants tests/template/constants.json

# The database of advisories is on a server that some networks do not reach; every other part of cargo-deny needs no network.
check: lint ## Check format, lints, documentation, dependencies, types of the page and the template; then the advisories and the benchmarks
	cargo clippy --manifest-path tests/bench/Cargo.toml --workspace --all-targets --locked -- -D warnings
	@$(RUST_TOOLS)/cargo-deny fetch >/dev/null 2>&1 || { echo "advisories: not checked, because their database cannot be reached"; exit 0; }; \
		$(RUST_TOOLS)/cargo-deny check advisories

# As .ci/run calls it.
lint: types
	@$(LOCAL) tools sam >/dev/null
	@$(LOCAL) tools rust >/dev/null
	@$(LOCAL) tools check >/dev/null
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path tests/bench/Cargo.toml
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	$(RUST_TOOLS)/cargo-deny check bans licenses sources
	python3 infra/unified_features.py --check
	$(CHECK_TOOLS)/ruff check && $(CHECK_TOOLS)/ruff format --check
	$(SAM_TOOLS)/sam validate --lint --region us-east-1
	$(SAM_TOOLS)/cfn-lint --regions us-east-1 eu-west-3 us-gov-west-1 -- template.yaml infra/*.yaml
	$(CHECK_TOOLS)/checkov --framework cloudformation --quiet --compact --skip-download -f template.yaml infra/*.yaml

types: tests/browser/node_modules functions/portal/vendor/node_modules
	tests/browser/node_modules/.bin/tsc -p tests/browser

# The compiler reads the libraries' types there.
functions/portal/vendor/node_modules: functions/portal/vendor/package-lock.json
	cd functions/portal/vendor && npm ci --ignore-scripts --silent --no-audit --no-fund
	@touch $@

vendor: ## Write the page's libraries from npm, by functions/portal/vendor/package-lock.json
	python3 functions/portal/vendor/vendor.py

tests/browser/node_modules: tests/browser/package-lock.json
	cd tests/browser && npm ci --ignore-scripts --silent --no-audit --no-fund
	@touch $@

browser: tests/browser/node_modules ## Install Debian's Chromium and axe, for the tests of the page
	@command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || sudo apt-get install -y --no-install-recommends chromium-headless-shell

screenshots: ## Take the screenshots of the page in docs/, from the stack of make up
	@STACK_JSON=$(abspath .local/stack.json) $$($(LOCAL) tools tests)/bin/python tests/browser/screenshots.py

# Recording 100,000 activities takes some minutes.
figures: ## Measure the page for docs/page.md, on the stack of make up (ACTIVITIES=100000 records that many first)
	@STACK_JSON=$(abspath .local/stack.json) PAGE_ROWS=5000 PAGE_LARGE_KINDS=5 $(if $(ACTIVITIES),PAGE_ACTIVITIES=$(ACTIVITIES)) $$($(LOCAL) tools tests)/bin/python \
		-m pytest -q -s -p no:cacheprovider tests/e2e/test_page_states.py -k "thousands or large or light"

build: tools ## Build the release artifacts for AWS (ARCH=x86_64 for the other processor)
	@test -d "$$(rustc --print sysroot)/lib/rustlib/$(TRIPLE)" || { \
		echo "The toolchain cannot build for $(ARCH) yet. Run: rustup target add $(TRIPLE)"; \
		echo "Or build for the other processor: make build ARCH=$(if $(filter arm64,$(ARCH)),x86_64,arm64)"; exit 1; }
	PATH="$(TOOLS):$$PATH" sam build --parameter-overrides Architecture=$(ARCH)

deploy: tools ## Deploy the build to AWS (ENV=gov; asks for parameters the first time, and with ASK=1)
	@PATH="$(TOOLS):$$PATH" $(TOOLS)/python infra/deploy.py --environment $(ENV) $(if $(ASK),--ask)

smoke: ## Check that an installation works (URL=… of its API, TOKEN=… of the operator)
	@TOKEN=$(TOKEN) python3 infra/smoke.py $(URL)

compare: tools ## Compare a table with a restored one (NOW=… THEN=…; COPY=1 writes missing items back)
	@test -n "$(NOW)" && test -n "$(THEN)" || { echo "make compare needs two tables: make compare NOW=… THEN=… (docs/operations.md, Restore a table)"; exit 2; }
	@$(TOOLS)/python infra/compare.py $(NOW) $(THEN) $(if $(COPY),--copy) $(if $(SORT_KEYS),--sort-keys $(SORT_KEYS))

compare-details: tools ## Compare large details with their oldest versions (BUCKET=… SINCE=…; COPY=1 puts these back)
	@$(TOOLS)/python infra/compare_details.py $(BUCKET) $(if $(SINCE),--since $(SINCE)) $(if $(COPY),--copy)

costs: ## Calculate what an installation costs in a month (ACTIVITIES=50000000 PER_REQUEST=10 PEOPLE=5000 CLIENTS=20 PAGES=… COUNTED=… MONTHS=12 STREAMS=… STREAMED=…)
	@python3 infra/costs.py $(if $(ACTIVITIES),--activities $(ACTIVITIES)) $(if $(PER_REQUEST),--per-request $(PER_REQUEST)) $(if $(PEOPLE),--people $(PEOPLE)) $(if $(CLIENTS),--clients $(CLIENTS)) \
		$(if $(PAGES),--pages $(PAGES)) $(if $(COUNTED),--counted $(COUNTED)) $(if $(MONTHS),--months $(MONTHS)) \
		$(if $(STREAMS),--streams $(STREAMS)) $(if $(STREAMED),--streamed $(STREAMED))

sam-local: ## Run the functions in containers, on the data of make up (needs Docker)
	@$(LOCAL) sam-local

bench: ## Measure the cost beside ordinary ways (ROUNDS=7 ONLY=start,record,query,dollars,cost,exports,pace,counts,streams,instructions)
	@python3 tests/bench $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only $(ONLY)) $(if $(ROWS),--rows $(ROWS)) $(if $(PROFILE),--profile $(PROFILE)) $(if $(ACCEPT),--accept)

clean: ## Stop everything and remove the data; keep tools and builds
	@$(LOCAL) clean

tools:
	@$(LOCAL) tools build >/dev/null
