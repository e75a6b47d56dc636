# make test    everything, with the race detector, both engines, real clients
# make check   formatting, vet, staticcheck, known vulnerabilities
# make bench   this server beside the machine's own limits
# make fuzz    every fuzz target for FUZZTIME (1m)
# make soak    kill -9 at 200 points under load

FUZZTIME ?= 1m
BENCHFLAGS ?=

.PHONY: all build test check bench fuzz soak deps

all: build

build:
	go build -trimpath -ldflags "-s -w" -o bin/jeton ./cmd/jeton

deps:
	./scripts/deps.sh

test: deps
	gofmt -l cmd internal examples test | (! grep .)
	go vet ./...
	go test -race -timeout 14m ./...

check: deps
	./scripts/check.sh

bench: deps
	go run ./cmd/jeton-bench $(BENCHFLAGS)

fuzz:
	./scripts/fuzz.sh $(FUZZTIME)

soak: deps
	JETON_KILL_POINTS=200 go test -count=1 -timeout 30m -run 'TestKill' -v ./test/crash
