# syntax=docker/dockerfile:1
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json ./
RUN npm ci --no-audit --no-fund
COPY scripts ./scripts
COPY schemas ./schemas
COPY src ./src
RUN node scripts/build.mjs && npm prune --omit=dev --no-audit --no-fund

FROM node:24-slim
LABEL org.opencontainers.image.title="waypost" \
      org.opencontainers.image.description="A2A gateway with Postgres-backed store-and-forward" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=4280 \
    GRPC_PORT=4281 \
    WAYPOST_DATA=/data \
    WAYPOST_CARDS=/app/agent-cards
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/schemas ./schemas
COPY --from=build /app/package.json ./package.json
COPY agent-cards ./agent-cards
# The only place that is written to; everything else may be mounted read-only.
RUN mkdir /data && chown 65532:65532 /data
USER 65532:65532
VOLUME /data
EXPOSE 4280 4281
# No curl in the image: our own binary asks.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "dist/cli/cli.js", "healthcheck", "complete"]
# Node itself, not npm: it gets SIGTERM first hand, and drains.
# Room for what lives as long as a request: 10 % less CPU per task than with Node's own 16 MB.
# No __proto__: what a request names so is a name like any other, in whatever library it ends up.
CMD ["node", "--disable-proto=delete", "--max-semi-space-size=64", "dist/main.js"]
