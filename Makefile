# `make help` lists what this file can do. Everything sets itself up: a target may be the first one that you call.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

JEST := node --experimental-vm-modules --disable-warning=ExperimentalWarning node_modules/jest/bin/jest.js
# Where a suite leaves its counts (.ci/run adds them up); empty = nowhere.
JEST_REPORT_DIR ?=
report = $(if $(JEST_REPORT_DIR),--json --outputFile=$(JEST_REPORT_DIR)/$(1).json)
IMAGE ?= pannier:dev
# A suite that is not part of `make test`: $(call suite,NAME,FILES,WORKERS), one worker where none is given
suite = $(JEST) $(call report,$(1)) --testMatch '$(CURDIR)/$(2)' --testPathIgnorePatterns /node_modules/ --testTimeout 120000 --forceExit $(if $(3),--maxWorkers=$(3),--runInBand)
# How images are built: `docker build`, or another command that takes its arguments.
IMAGE_BUILD ?= $(or $(PANNIER_TEST_IMAGE_BUILD),$(or $(PANNIER_TEST_ENGINE),docker) build)

.DEFAULT_GOAL := help
.PHONY: help run build test test-redis test-mixed check conformance conformance-h2spec conformance-interop clients fuzz chart-test e2e e2e-image e2e-kubernetes examples bench bench-transport bench-redis bench-cache-buckets bench-compare soak soak-memory image proto proto-breaking release-contract docs format clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | awk -F'\t' '{ printf "  make %-20s %s\n", $$1, $$2 }'

node_modules/.installed: package.json package-lock.json
	npm ci --no-fund --no-audit --loglevel=error
	@touch $@

dist/main.mjs: node_modules/.installed scripts/build.ts $(shell find src proto third_party -type f -not -name '*.test.ts' 2>/dev/null)
	node scripts/build.ts

run: dist/main.mjs ## start the sidecar on the embedded memory store, say what to call
	bin/pannier serve --hints

build: dist/main.mjs ## bundle the program into dist/; bin/pannier runs it

test: node_modules/.installed dist/main.mjs ## unit, contract and integration tests (root installs redis-server where there is no Redis; PANNIER_INSTALL=never stops instead)
	sh scripts/ensure-redis.sh
	$(JEST) $(call report,test) --forceExit $(ARGS)

# Where the version of the server matters: limits, sessions, cache, connections, and the fault suite, which bounds how long calls take and so runs alone.
REDIS_SUITES := test/integration/{rate-limit,session,cache,redis,format}*.test.ts
REDIS_IMAGE ?= redis:8.6
redis_name = redis-$(subst /,-,$(subst :,-,$(REDIS_IMAGE)))
test-redis: export PANNIER_TEST_REDIS := container
test-redis: export PANNIER_TEST_REDIS_IMAGE := $(REDIS_IMAGE)
test-redis: node_modules/.installed dist/main.mjs ## the Redis suites and the fault suite on the server of REDIS_IMAGE (needs a container engine: docker, or PANNIER_TEST_ENGINE)
	$(call suite,$(redis_name),$(REDIS_SUITES),2) $(ARGS)
	$(call suite,$(redis_name)-faults,test/e2e/*.test.ts) $(ARGS)

test-mixed: node_modules/.installed dist/main.mjs ## sidecars of this and another commit on one Redis (PANNIER_MIXED_REF, else the last tag)
	sh scripts/ensure-redis.sh
	$(call suite,mixed,test/mixed/*.test.ts) $(ARGS)

check: node_modules/.installed proto-breaking ## types, format, lint, protos, generated files, unused code, house rules
	tsc
	biome ci --error-on-warnings .
	buf lint
	node scripts/check-generated.ts
	knip
	knip --production --config knip.production.jsonc
	$(JEST) test/house-rules.test.ts

conformance: conformance-h2spec conformance-interop ## make conformance-h2spec conformance-interop

conformance-h2spec: node_modules/.installed ## h2spec against the built-in HTTP/2 server (PANNIER_TEST_H2SPEC names it)
	$(call suite,h2spec,test/conformance/h2spec.test.ts) $(ARGS)

conformance-interop: node_modules/.installed ## gRPC's interop client against both transports (PANNIER_TEST_GRPC_INTEROP names it)
	$(call suite,interop,test/conformance/interop.test.ts) $(ARGS)

clients: node_modules/.installed dist/main.mjs ## clients in Go, JavaScript, Python, Rust and Java and generated code against a live sidecar (needs their toolchains)
	$(call suite,clients,test/clients/*.test.ts) $(ARGS)

chart-test: node_modules/.installed ## the Helm chart: lint, rendered objects, schema (needs helm: PANNIER_TEST_HELM)
	$(call suite,chart,test/chart/*.test.ts) $(ARGS)

FUZZ_EXECUTIONS ?= 20000000
fuzz: node_modules/.installed ## the parsers of the transport on random and mutated input, FUZZ_EXECUTIONS times
	node test/fuzz/run.ts --executions $(FUZZ_EXECUTIONS) $(ARGS)

e2e: node_modules/.installed dist/main.mjs ## the fault suite: real sidecars on a real Cluster, frozen, killed, migrated
	sh scripts/ensure-redis.sh
	$(call suite,e2e,test/e2e/*.test.ts) $(ARGS)

e2e-image: node_modules/.installed image ## the image: read-only, non-root, healthy with no setting (needs a container engine)
	IMAGE=$(IMAGE) $(call suite,e2e-image,test/image/*.test.ts) $(ARGS)

e2e-kubernetes: node_modules/.installed dist/main.mjs ## chart, injector and sidecars on a real cluster (docs/internals/injector.md says what it needs)
	$(call suite,e2e-kubernetes,test/kubernetes/*.test.ts) $(ARGS)

examples: node_modules/.installed dist/main.mjs ## the example programs against a live sidecar (Python needs python3 with venv)
	$(call suite,examples,test/examples/*.test.ts) $(ARGS)

bench: node_modules/.installed dist/main.mjs ## start time, memory, cost per call and per reload, each beside a baseline of the same run
	node bench/run.ts $(ARGS)
	node bench/codec.ts $(ARGS)
	node bench/policy-reload.ts $(ARGS)

bench-transport: node_modules/.installed dist/main.mjs ## what a call costs on each transport, beside node:http2 and grpc-go, in one run
	node bench/transport.ts $(ARGS)

bench-redis: node_modules/.installed ## CPU of Redis per decision, cache access and session read, beside bare commands
	node bench/redis.ts $(ARGS)

bench-cache-buckets: node_modules/.installed dist/main.mjs ## the measurements behind the cache's buckets: hash, number, tags, CacheGetMany
	node bench/cache-buckets.ts $(ARGS)

bench-compare: node_modules/.installed dist/main.mjs ## CPU per call and idle memory beside those of another commit: BASE=<commit>
	node bench/compare.ts --base "$(BASE)" $(ARGS)

soak: node_modules/.installed dist/main.mjs ## 50,000,000 calls: no failure, no growth (ARGS="--calls N")
	node bench/soak.ts $(ARGS)

soak-memory: node_modules/.installed dist/main.mjs ## 10,000,000 subjects, full cache and sessions: memory within 192Mi (ARGS="--subjects N --minutes N")
	node bench/soak-memory.ts $(ARGS)

image: ## build the container image $(IMAGE)
	$(IMAGE_BUILD) -t $(IMAGE) .

proto: node_modules/.installed ## regenerate src/grpc/generated and the descriptor set from the protos
	node scripts/generate-proto.ts

proto-breaking: node_modules/.installed ## fail if the protos break users of the released ones
	buf breaking proto --against proto/released.binpb

release-contract: node_modules/.installed ## for a release: record the protos as released; commit the file with it
	buf build proto --exclude-source-info -o proto/released.binpb

docs: node_modules/.installed ## regenerate the reference pages that come from tables in the code
	node scripts/generate-docs.ts

format: node_modules/.installed ## format and fix what the linter can fix
	biome check --write .

clean: ## remove what was built and installed
	rm -rf dist coverage node_modules .cache
