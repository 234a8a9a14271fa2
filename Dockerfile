# A static binary on an empty image: nothing to patch but the connector itself.
# Build it with: docker build -t crm-connector .
#
# Run it with a read-only root; only the journal's volume is written to:
#   docker run --read-only -p 8080:8080 -v journal:/data \
#     -v "$PWD/crm-connector.yaml:/etc/crm-connector/crm-connector.yaml:ro" \
#     -e AISOULE_SECRET crm-connector

ARG GO_IMAGE=golang:1.26
FROM ${GO_IMAGE} AS build
WORKDIR /src
# The modules change less often than the code, so they get a layer of their own.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/crm-connector ./cmd/crm-connector \
 && mkdir -p /out/data /out/etc/ssl/certs \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

FROM scratch
COPY --from=build /out/etc /etc
COPY --from=build /out/crm-connector /crm-connector
# The volume is made with this owner; 65532 is nobody's on the host.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /etc/crm-connector
VOLUME /data
# The pages listen on 8090 when the configuration says so: keep it private.
EXPOSE 8080 8090
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s \
  CMD ["/crm-connector", "health", "--config", "/etc/crm-connector/crm-connector.yaml"]
ENTRYPOINT ["/crm-connector"]
CMD ["run", "--config", "/etc/crm-connector/crm-connector.yaml"]
