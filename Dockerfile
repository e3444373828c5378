FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Both secrets are optional: they let a build behind a proxying registry read its npm settings and its CA.
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
      org.opencontainers.image.description="Rate limits, sessions and a cache that hold across the whole fleet, as a gRPC call to localhost"
WORKDIR /app
COPY --from=build /app/dist dist
# One malloc arena, a small young generation and one helper thread: a sidecar waits more than it computes (docs/internals/performance.md).
ENV MALLOC_ARENA_MAX=1 \
    NODE_OPTIONS="--max-semi-space-size=4" \
    UV_THREADPOOL_SIZE=2
EXPOSE 9470 9471
USER nonroot
ENTRYPOINT ["/nodejs/bin/node", "--v8-pool-size=1", "/app/dist/main.mjs"]
CMD ["serve"]
