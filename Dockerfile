# The operator in a container: all functions of `challenge-operator run`, and every other command.
# Two builds of one commit have the same files: each version is pinned, here or in package-lock.json, and no time is
# written with `docker build --build-arg SOURCE_DATE_EPOCH=0 --output type=image,rewrite-timestamp=true .`.
ARG NODE=node:24.21.0-bookworm-slim

FROM ${NODE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# No package that runs needs a script of its own at installation.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE THIRD_PARTY_NOTICES.md ./
COPY manifests ./manifests
COPY functions ./functions
COPY lib ./lib
COPY local ./local
RUN ln -s /app/local/cli.ts /usr/local/bin/challenge-operator
# Nothing is written to the file system, so that it may be read-only.
USER 65532:65532
EXPOSE 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8081/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["challenge-operator"]
CMD ["run", "--all"]
