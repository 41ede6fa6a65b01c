# One way to each thing: `make` alone lists them.

CARGO ?= cargo
MUSL := $(shell uname -m)-unknown-linux-musl
RUN := $(CARGO) run --quiet --locked --

CRD := crds/authconsistencies.auth.probeops.com.yaml
REPORT := docs/report.schema.json
PAGE := examples/session-reset/files
CHART_CRD := charts/auth-consistency/files/crd.yaml

.DEFAULT_GOAL := help
.PHONY: help demo demo-cluster demo-down test test-quick test-versions cuts answers fuzz bench soak generate check-generated statements lint static clean

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-24s%s\n", $$1, $$2}'

demo: ## Tell the main job in a minute: a real app and PostgreSQL, no root, no cluster; left running
	@demo/run

demo-cluster: ## Tell it with the operator and a real API server; left running
	@demo/cluster

demo-down: ## Stop what the demonstrations left running, and remove it
	@demo/run --down
	@demo/cluster --down

test: ## Install what is missing, start the real parts, run all tests
	@CARGO="$(CARGO)" dev/test

test-quick: ## Run the tests that need Rust and Python 3 alone: no cluster, no browser, no root
	@CARGO="$(CARGO)" dev/test --quick

test-versions: ## Run the tests against databases on PostgreSQL 13 to 18; VERSIONS sets others
	@dev/versions $(or $(VERSIONS),14 15 16 17 18 13)

cuts: ## Cut the line to the database at every statement of every repair, where `make test` draws a quarter of the places
	@dev/setup
	@AUTHCON_CUTS=all exec dev/parts run --databases -- $(CARGO) test --locked --test databases cuts:: -- --nocapture

answers: ## Plant 2,000 faults in made-up databases, keys and tokens, and print what was said in place of what was planted
	@dev/setup
	@export AUTHCON_ANSWERS=$${AUTHCON_ANSWERS:-2000} && \
	  export AUTHCON_ANSWERS_SEED=$${AUTHCON_ANSWERS_SEED:-$$(od -An -N7 -tu8 /dev/urandom | tr -d ' ')} && exec dev/parts run --databases -- \
	  $(CARGO) test --locked --test answers what_was

fuzz: ## Try the readers of what strangers write with bytes that nobody thought of, a minute each
	@dev/setup
	@export AUTHCON_FUZZ_SECONDS=$${AUTHCON_FUZZ_SECONDS:-60} && \
	  export AUTHCON_FUZZ_SEED=$${AUTHCON_FUZZ_SEED:-$$(od -An -N7 -tu8 /dev/urandom | tr -d ' ')} && exec dev/parts run --databases -- \
	  $(CARGO) test --locked --test fuzz -- --nocapture --test-threads=2

bench: ## Measure passes and searches against what PostgreSQL needs for the same answers, and the operator under load
	@dev/setup
	@dir=$$(mktemp -d) && exec dev/parts run --remove "$$dir" -- $(CARGO) bench --locked --bench finding --bench load --bench pass --bench repair --bench steady

soak: ## Repair 10 million orphans under 64 writers, then end 500 leaders; AUTHCON_SOAK_ORPHANS, AUTHCON_LEADER_ENDS set other numbers
	@dev/setup
	@dir=$$(mktemp -d) && exec dev/parts run --remove "$$dir" -- $(CARGO) bench --locked --bench soak
	@export AUTHCON_LEADER_ENDS=$${AUTHCON_LEADER_ENDS:-500} && dir=$$(mktemp -d) && exec dev/parts run --remove "$$dir" -- \
	  $(CARGO) test --locked --test operator leader::leaders_that -- --nocapture

generate: ## Write the generated files: the CRD, the chart's copy of it, the report's schema, the page
	@mkdir -p $(dir $(CRD))
	$(RUN) crd >$(CRD).new
	@mv $(CRD).new $(CRD)
	cp $(CRD) $(CHART_CRD)
	$(RUN) crd --report-schema >$(REPORT)
	$(RUN) session-reset-page $(PAGE) >/dev/null

check-generated: ## Fail when a generated file is not what `make generate` would write
	@made=$$(mktemp) && trap 'rm -rf "$$made"' EXIT && $(RUN) crd >"$$made" && \
	for file in $(CRD) $(CHART_CRD); do \
	  diff -u "$$file" "$$made" || { echo "$$file is out of date: run make generate" >&2; exit 1; }; \
	done && $(RUN) crd --report-schema >"$$made" && \
	{ diff -u $(REPORT) "$$made" || { echo "$(REPORT) is out of date: run make generate" >&2; exit 1; }; } && \
	rm -f "$$made" && $(RUN) session-reset-page "$$made" >/dev/null && \
	{ diff -ru $(PAGE) "$$made" || { echo "$(PAGE) is out of date: run make generate" >&2; exit 1; }; }

statements: ## Write tests/statements anew: each statement as it is sent, to be read in the difference (PostgreSQL 15)
	@dev/setup
	@AUTHCON_STATEMENTS=write exec dev/parts run --databases -- $(CARGO) test --locked --test databases sql_texts::

lint: ## Check the format, clippy's warnings, and the dependencies where cargo-deny is there
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	  set -x; $(CARGO) deny --locked check bans licenses sources; \
	else \
	  echo "cargo-deny is not installed, so the dependencies were not checked."; \
	fi

static: ## Build the static binary; needs musl-tools and the musl target of Rust
	@command -v musl-gcc >/dev/null || \
	  { echo "musl-gcc is missing: install it with apt-get install musl-tools" >&2; exit 1; }
	@[ -d "$$(rustc --print sysroot)/lib/rustlib/$(MUSL)" ] || rustup target add $(MUSL) || \
	  { echo "Rust's standard library for $(MUSL) is not installed and could not be fetched." >&2; exit 1; }
	$(CARGO) build --release --locked --target $(MUSL)

clean: ## Remove what cargo built
	$(CARGO) clean
