# The bundle is the same for all platforms, so this stage runs once, on the platform of the build machine.
FROM --platform=$BUILDPLATFORM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Both secrets are optional. The secrets contain the npm settings and the CA of a registry mirror, so that a build can
# use the mirror.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=ca,target=/run/secrets/ca \
    --mount=type=cache,target=/root/.npm npm ci --no-fund --no-audit
COPY scripts scripts
COPY proto proto
COPY third_party third_party
COPY src src
RUN node scripts/build.ts

FROM gcr.io/distroless/nodejs24-debian12:nonroot
LABEL org.opencontainers.image.title="pannier" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.description="Kubernetes sidecar that serves rate limits, sessions and a cache over gRPC, shared by all replicas through Redis"
WORKDIR /app
COPY --from=build /app/dist dist
# The program uses one malloc arena, a small young generation and few threads, because a sidecar is idle most of the
# time (docs/internals/performance.md).
ENV MALLOC_ARENA_MAX=1 \
    NODE_OPTIONS="--max-semi-space-size=4" \
    UV_THREADPOOL_SIZE=2
EXPOSE 9470 9471
USER 65532:65532
ENTRYPOINT ["/nodejs/bin/node", "--v8-pool-size=1", "/app/dist/main.mjs"]
CMD ["serve"]
