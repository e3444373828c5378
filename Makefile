# `make help` lists what this file can do.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

JEST := node --experimental-vm-modules --disable-warning=ExperimentalWarning node_modules/jest/bin/jest.js

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | awk -F'\t' '{ printf "  %-16s %s\n", $$1, $$2 }'

node_modules/.installed: package.json package-lock.json
	npm ci --no-fund --no-audit
	@touch $@

.PHONY: proto
proto: node_modules/.installed ## regenerate src/grpc/generated and the descriptor set from proto/
	rm -rf src/grpc/generated
	proto-loader-gen-types --longs=Number --defaults --arrays --objects -I proto --importFileExtension=.ts \
	  --outputTemplate='%sOutput' --outDir=src/grpc/generated \
	  pannier/v1/rate_limit.proto pannier/v1/session.proto pannier/v1/cache.proto \
	  grpc/health/v1/health.proto grpc/reflection/v1/reflection.proto
	buf build proto --as-file-descriptor-set -o proto/descriptor-set.binpb
