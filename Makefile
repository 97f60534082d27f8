# `make help` lists the verbs. Only Go is needed to build and run; what the
# tests need besides is installed by tests/setup.sh.

SCRIPT   ?= scripts/echo.lua
FUZZTIME ?= 60s
MINUTES  ?= 30
BENCH    ?= -rounds 5 -d 1s

GO      ?= go
VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
BIN     := $(CURDIR)/bin
PGO     ?= $(CURDIR)/cmd/swoon/swoon.pgo

# The stories talk to these; they build their own when the variables are unset.
STORIES = SWOON_BIN=$(BIN)/swoon SWOON_RACE_BIN=$(BIN)/swoon-race

.DEFAULT_GOAL := help
.PHONY: help build build-race run setup test units stories race fuzz soak bench profile bench-build bench-test lint clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the static binary bin/swoon
	CGO_ENABLED=0 $(GO) build -trimpath -pgo=$(PGO) -ldflags '$(LDFLAGS)' -o $(BIN)/swoon ./cmd/swoon

build-race:
	CGO_ENABLED=1 $(GO) build -race -ldflags '-X main.version=$(VERSION)-race' -o $(BIN)/swoon-race ./cmd/swoon

run: build ## build, then serve SCRIPT (scripts/echo.lua)
	$(BIN)/swoon $(SCRIPT)

# Recursive calls keep the order, whatever -j says: cheap checks fail first.
test: ## install what the tests need, then run everything a change must pass
	@$(MAKE) --no-print-directory setup
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory units
	@$(MAKE) --no-print-directory bench-test
	@$(MAKE) --no-print-directory stories

setup:
	@./tests/setup.sh

units:
	$(GO) test -race -shuffle=on -timeout 10m $$($(GO) list ./... | grep -v '^swoon/tests')

# Most stories wait most of the time: hence more of them at once than processors.
# -count=1: the test cache does not see that the binaries have changed.
stories: build build-race
	$(STORIES) $(GO) test -shuffle=on -count=1 -parallel 4 -timeout 15m ./tests/...

race: setup build build-race ## everything under the race detector, the tests' own code too
	$(STORIES) $(GO) test -race -shuffle=on -count=1 -parallel 4 -timeout 45m ./...

# Go before 1.27 at times calls the end of the time a failure: go.dev/issue/75804.
fuzz: build build-race ## run every fuzz target for FUZZTIME (60s) each
	@set -eu; export $(STORIES); log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	for pkg in $$($(GO) list ./...); do \
		found=$$($(GO) test -list '^Fuzz' $$pkg) || { echo "$$found"; exit 1; }; \
		for target in $$(echo "$$found" | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg >$$log 2>&1 || \
				{ ! grep -q 'Failing input\|panic\|_test.go:' $$log && grep -q '^ *context deadline exceeded$$' $$log; } || { cat $$log; exit 1; }; \
			tail -n 1 $$log; \
		done; \
	done

soak: setup build build-race ## run the soak tests for MINUTES (30), and the hot-reload stories at full length
	SWOON_SOAK=$(MINUTES)m $(STORIES) $(GO) test -v -count=1 -run 'Soak|HotReload|SaveToFirstAnswer' -timeout $$(($(MINUTES) * 2 + 10))m ./tests

bench: build bench-build ## measure CPU per message beside a bare Go loop, gnet, Go net and Node; clients and JSON beside plain Go
	$(BIN)/bench -bin $(BIN) -scripts tests/bench -out bench-out $(BENCH)
	$(GO) test -run '^$$' -bench 'RoundTrips|Codec' ./stdlib/client ./stdlib/json

# Not called default.pgo: then each vet, race build and test of cmd would compile
# everything a second time.
profile: build ## make the profile anew that guides the build, cmd/swoon/swoon.pgo
	SWOON_PROFILE=$(CURDIR)/cmd/swoon/swoon.pgo $(STORIES) $(GO) test -count=1 -run '^TestProfile$$' ./cmd/swoon

bench-build:
	cd tests/bench && CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/barego ./barego
	cd tests/bench && CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/gnetecho ./gnetecho
	cd tests/bench && CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/gonet ./gonet
	cd tests/bench && CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/bench .

# Only what needs no library beyond those of the main module.
bench-test:
	cd tests/bench && $(GO) vet . ./sock ./barego ./gonet
	cd tests/bench && $(GO) test -race -shuffle=on -timeout 3m . ./barego

lint: ## gofmt and go vet; any finding fails
	@bad=$$(gofmt -l $$(find . -name '*.go' -not -path './bin/*')) || exit 1; \
	if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...

clean: ## remove what the other verbs built
	rm -rf bin bench-out coverage*
