# `make up` and `make test` are all that a fresh machine needs: Go, Python 3 and
# a connection to the package registries.

BIN      := bin/freehold
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The longest first.
PACKAGES ?= ./test/... ./internal/vector/milvus ./internal/cli ./internal/gateway ./...
FUZZTIME ?= 20s
INPUTS   ?= 1000x
GOTEST   := go run ./scripts/gotest
# lint vets; without debug information the test programs link in two thirds of the time.
TESTFLAGS = $$(scripts/race) -vet=off -ldflags=-w

.PHONY: up build test lint fuzz perimeter torture bench bench-vectors soak clean

up: build ## build and start freehold with a local engine and model
	$(BIN) up

build: ## the one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X freehold/internal/app.Version=$(VERSION)" -o $(BIN) ./cmd/freehold

test: ## install what the tests need and run all of them, with INPUTS for each fuzz target
	go run ./scripts/parts cc python engine qdrant pinecone milvus milvus-server pgvector chroma minilm
	@fuzz=0; scripts/fuzz -quick $(TESTFLAGS) $(INPUTS) $(PACKAGES) || fuzz=$$?; \
	$(GOTEST) -- $(TESTFLAGS) -p 3 -timeout 40m $(PACKAGES) && exit $$fuzz

lint: ## golangci-lint, builds without cgo for other systems, known vulnerabilities
	go run ./scripts/parts lint vuln
	.parts/bin/golangci-lint run
	scripts/cross
	scripts/vuln

fuzz: ## every fuzz target for FUZZTIME
	scripts/fuzz $(FUZZTIME)

perimeter: ## a million random decisions and ten thousand whole requests: no byte may leave its perimeter
	FREEHOLD_PERIMETER=1000000 FREEHOLD_PERIMETER_WHOLE=10000 go test -count 1 -timeout 60m -v \
		-run '^(TestNoByteLeavesItsPerimeter|TestWholeRequestsStayInside)$$' ./internal/gateway

torture: ## a hundred copies between each pair of vector stores, killed at any moment; nothing may be lost
	go run ./scripts/parts qdrant milvus pgvector chroma
	go test -run '^TestKilled$$' -count 1 -timeout 4h -v ./test/vectors -trials 100

bench: ## the figures of docs/benchmarks.md, beside a tuned reverse proxy
	go run ./test/bench -write

bench-vectors: ## copies between vector stores, beside qdrant/migration where BESIDE=PATH names it
	go run ./scripts/parts qdrant milvus pgvector
	go test -run '^$$' -bench '^BenchmarkCopy$$' -benchtime 1x -timeout 60m -v ./test/vectors $(if $(BESIDE),-beside $(BESIDE))

soak: ## five minutes of load with faults; memory must stay flat
	FREEHOLD_SOAK=5m go test -run '^TestSoak$$' -count 1 -timeout 10m -v ./test/soak

clean: ## remove what was built; .parts/ (downloads) stays
	rm -rf bin dist coverage.out
