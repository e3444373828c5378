# `make help` lists the targets. Each target installs and builds what it needs, so you can run any target first in a new
# clone.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

JEST := node --experimental-vm-modules --disable-warning=ExperimentalWarning node_modules/jest/bin/jest.js
# Directory in which each suite writes its report, so that .ci/run can add up the numbers of tests. If the variable is
# empty, the suites write no reports.
JEST_REPORT_DIR ?=
report = $(if $(JEST_REPORT_DIR),--json --outputFile=$(JEST_REPORT_DIR)/$(1).json)
IMAGE ?= pannier:dev
# Runs a suite that is not part of `make test`: $(call suite,NAME,FILES,WORKERS). Without WORKERS, the test files run
# one after the other.
suite = $(JEST) $(call report,$(1)) --testMatch '$(CURDIR)/$(2)' --testPathIgnorePatterns /node_modules/ --testTimeout 120000 --forceExit $(if $(3),--maxWorkers=$(3),--runInBand)
# Command that builds an image: `docker build`, or another command that accepts the same arguments.
IMAGE_BUILD ?= $(or $(PANNIER_TEST_IMAGE_BUILD),$(or $(PANNIER_TEST_ENGINE),docker) build)

.DEFAULT_GOAL := help
.PHONY: help run build test test-redis test-mixed check conformance conformance-h2spec conformance-interop clients fuzz chart-test e2e e2e-image e2e-kubernetes examples bench bench-transport bench-redis bench-cache-buckets bench-compare soak soak-memory image image-example image-multiarch chart-package sbom release-check proto proto-breaking release-contract docs format clean

# A line that begins with `##@` starts a group of the help; the text after `##` describes a target.
help:
	@awk '/^##@ / { printf "%s%s\n", (count++ ? "\n" : ""), substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { split($$0, parts, /:[^#]*## /); printf "  make %-21s %s\n", parts[1], parts[2] }' Makefile

##@ Run it

node_modules/.installed: package.json package-lock.json
	npm ci --no-fund --no-audit --loglevel=error
	@touch $@

dist/main.mjs: node_modules/.installed scripts/build.ts $(shell find src proto third_party -type f -not -name '*.test.ts' 2>/dev/null)
	node scripts/build.ts

run: dist/main.mjs ## Starts a sidecar on the memory store and prints example calls.
	bin/pannier serve --hints

build: dist/main.mjs ## Bundles the program into dist/, where bin/pannier finds it.

##@ Test it

test: node_modules/.installed dist/main.mjs ## Runs the unit, contract and integration tests (needs Redis; as root, installs redis-server unless PANNIER_INSTALL=never).
	sh scripts/ensure-redis.sh
	$(JEST) $(call report,test) --forceExit $(ARGS)

# Suites whose results may depend on the version of Redis. The fault suite asserts how long calls take, so it runs
# separately.
REDIS_SUITES := test/integration/{rate-limit,session,cache,redis,format}*.test.ts
REDIS_IMAGE ?= redis:8.6
redis_name = redis-$(subst /,-,$(subst :,-,$(REDIS_IMAGE)))
test-redis: export PANNIER_TEST_REDIS := container
test-redis: export PANNIER_TEST_REDIS_IMAGE := $(REDIS_IMAGE)
test-redis: node_modules/.installed dist/main.mjs ## Runs the Redis suites and the fault suite on the server in REDIS_IMAGE (needs docker or PANNIER_TEST_ENGINE).
	$(call suite,$(redis_name),$(REDIS_SUITES),2) $(ARGS)
	$(call suite,$(redis_name)-faults,test/e2e/*.test.ts) $(ARGS)

test-mixed: node_modules/.installed dist/main.mjs ## Runs sidecars of this commit and of PANNIER_MIXED_REF (default: the last tag) on one Redis.
	sh scripts/ensure-redis.sh
	$(call suite,mixed,test/mixed/*.test.ts) $(ARGS)

check: node_modules/.installed proto-breaking ## Checks types, formatting, lint rules, protos, generated files, unused code, text style and the rules of the repository.
	tsc
	biome ci --error-on-warnings .
	buf lint
	node scripts/check-generated.ts
	knip
	knip --production --config knip.production.jsonc
	$(JEST) test/source-rules.test.ts test/text

conformance: conformance-h2spec conformance-interop ## Runs both conformance suites below.

conformance-h2spec: node_modules/.installed ## Runs h2spec (its path is in PANNIER_TEST_H2SPEC) against the built-in HTTP/2 server.
	$(call suite,h2spec,test/conformance/h2spec.test.ts) $(ARGS)

conformance-interop: node_modules/.installed ## Runs the interop client of grpc-go (its path is in PANNIER_TEST_GRPC_INTEROP) against both transports.
	$(call suite,interop,test/conformance/interop.test.ts) $(ARGS)

clients: node_modules/.installed dist/main.mjs ## Tests clients in Go, JavaScript, Python, Rust and Java against a running sidecar (needs the toolchains of these languages).
	$(call suite,clients,test/clients/*.test.ts) $(ARGS)

chart-test: node_modules/.installed ## Tests the Helm chart: lint, rendered objects and schema (needs helm or PANNIER_TEST_HELM).
	$(call suite,chart,test/chart/*.test.ts) $(ARGS)

FUZZ_EXECUTIONS ?= 20000000
fuzz: node_modules/.installed ## Feeds random and mutated input to the parsers of the transport, FUZZ_EXECUTIONS times.
	node test/fuzz/run.ts --executions $(FUZZ_EXECUTIONS) $(ARGS)

e2e: node_modules/.installed dist/main.mjs ## Runs the fault suite: sidecars on a Redis Cluster whose nodes are frozen, killed and migrated.
	sh scripts/ensure-redis.sh
	$(call suite,e2e,test/e2e/*.test.ts) $(ARGS)

e2e-image: node_modules/.installed image ## Builds the image and tests that it runs read-only, as non-root and without any setting (needs docker or PANNIER_TEST_ENGINE).
	IMAGE=$(IMAGE) $(call suite,e2e-image,test/image/*.test.ts) $(ARGS)

e2e-kubernetes: node_modules/.installed dist/main.mjs ## Tests the chart, the injector and sidecars on a Kubernetes cluster (docs/internals/injector.md lists what it needs).
	$(call suite,e2e-kubernetes,test/kubernetes/*.test.ts) $(ARGS)

examples: node_modules/.installed dist/main.mjs ## Runs the example programs against a running sidecar (Python needs python3 with venv).

	$(call suite,examples,test/examples/*.test.ts) $(ARGS)

##@ Measure it
bench: node_modules/.installed dist/main.mjs ## Measures start time, memory, and CPU per call and per policy reload, each against a baseline of the same run.
	node bench/run.ts $(ARGS)
	node bench/codec.ts $(ARGS)
	node bench/policy-reload.ts $(ARGS)

bench-transport: node_modules/.installed dist/main.mjs ## Measures the CPU time per call of both transports, and compares it with that of node:http2 and grpc-go.
	node bench/transport.ts $(ARGS)

bench-redis: node_modules/.installed ## Measures the CPU that Redis uses per decision, cache access and session read.
	node bench/redis.ts $(ARGS)

bench-cache-buckets: node_modules/.installed dist/main.mjs ## Repeats the measurements from which the number of cache buckets was chosen.
	node bench/cache-buckets.ts $(ARGS)

bench-compare: node_modules/.installed dist/main.mjs ## Compares CPU per call and idle memory with those of another commit (BASE=<commit>).
	node bench/compare.ts --base "$(BASE)" $(ARGS)

soak: node_modules/.installed dist/main.mjs ## Makes 50,000,000 calls and fails if a call fails or memory grows (ARGS="--calls N").
	node bench/soak.ts $(ARGS)

soak-memory: node_modules/.installed dist/main.mjs ## Fills the memory stores with 10,000,000 subjects and fails if the process uses more than 192 MiB (ARGS="--subjects N --minutes N").

	node bench/soak-memory.ts $(ARGS)

##@ Package it
image: ## Builds the container image IMAGE (default: pannier:dev) for the platform of this machine.
	$(IMAGE_BUILD) -t $(IMAGE) .

EXAMPLE_IMAGE ?= pannier-example:dev
image-example: ## Builds the image EXAMPLE_IMAGE (default: pannier-example:dev) of the Node example, which examples/kubernetes/shop.yaml runs.
	$(IMAGE_BUILD) -t $(EXAMPLE_IMAGE) -f examples/node/Dockerfile .

IMAGE_PLATFORMS ?= linux/amd64,linux/arm64
# Additional arguments of the build, such as `--push`. Without `--push`, the image stays in the cache of the builder.
IMAGE_ARGS ?=
image-multiarch: ## Builds the image IMAGE for IMAGE_PLATFORMS with docker buildx (IMAGE_ARGS=--push publishes it).
	docker buildx build --platform $(IMAGE_PLATFORMS) -t $(IMAGE) $(IMAGE_ARGS) .

# Files of a release that are not part of the image.
RELEASE_DIRECTORY ?= .cache/release
HELM ?= $(or $(PANNIER_TEST_HELM),helm)
chart-package: ## Packages the Helm chart into RELEASE_DIRECTORY (needs helm or PANNIER_TEST_HELM).
	$(HELM) package charts/pannier --destination $(RELEASE_DIRECTORY)

sbom: node_modules/.installed ## Writes a list of the npm packages in the bundle to RELEASE_DIRECTORY (SPDX).
	mkdir -p $(RELEASE_DIRECTORY)
	node scripts/write-sbom.ts $(RELEASE_DIRECTORY)/pannier.spdx.json

release-check: node_modules/.installed ## Fails unless the version numbers, the changelog and the recorded protos are ready for the release of VERSION.
	node scripts/check-release.ts "$(VERSION)"

##@ Change it
proto: node_modules/.installed ## Generates src/grpc/generated and the descriptor set from the protos.
	node scripts/generate-proto.ts

proto-breaking: node_modules/.installed ## Fails if the protos are incompatible with those of the last release.
	buf breaking proto --against proto/released.binpb

release-contract: node_modules/.installed ## Records the protos as released in proto/released.binpb (see RELEASING.md).
	buf build proto --exclude-source-info -o proto/released.binpb

docs: node_modules/.installed ## Generates the reference pages from the tables in the code.
	node scripts/generate-docs.ts

format: node_modules/.installed ## Formats the files and applies the fixes of the linter.
	biome check --write .

clean: ## Removes everything that was built or installed in the clone.
	rm -rf dist coverage node_modules .cache
