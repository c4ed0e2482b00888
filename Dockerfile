# freehold as a container: one static program, no shell, not root.
#
#   docker build -t freehold .
#   docker run -p 4000:4000 -v freehold:/var/lib/freehold \
#     -v ./config.yaml:/etc/freehold/config.yaml:ro freehold
#
# The configuration must say `listen: 0.0.0.0:4000` (and so `auth: keys`) and
# `state: sqlite:/var/lib/freehold/freehold.db`. There is no local engine in
# this image: it has no Python. Name one that runs beside it as a provider.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X freehold/internal/app.Version=${VERSION}" -o /out/freehold ./cmd/freehold \
 && mkdir -p /out/state

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/freehold /usr/local/bin/freehold
COPY --from=build --chown=65532:65532 /out/state /var/lib/freehold
COPY LICENSE NOTICE /usr/share/doc/freehold/
USER 65532:65532
VOLUME /var/lib/freehold
EXPOSE 4000
# Health is for the orchestrator to ask over HTTP: GET /health/live and
# /health/ready. There is no shell here to ask with.
ENTRYPOINT ["/usr/local/bin/freehold"]
CMD ["serve", "--config", "/etc/freehold/config.yaml"]
