# The static binary and nothing else. Build with: docker build --tag auth-consistency .
FROM rust:1.95.0-bookworm AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends musl-tools \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY rust-toolchain.toml ./
RUN rustup target add x86_64-unknown-linux-musl
COPY Cargo.toml Cargo.lock ./
COPY src ./src
COPY docs ./docs
# The same command as `make static`. The caches do not outlive the step, so the binary is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --target x86_64-unknown-linux-musl \
 && cp target/x86_64-unknown-linux-musl/release/auth-consistency /auth-consistency

FROM scratch
# Probes over https trust what a system trusts. The database's own authorities are compiled in.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /auth-consistency /auth-consistency
USER 65532:65532
ENTRYPOINT ["/auth-consistency"]
