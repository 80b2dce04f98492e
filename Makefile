# Everything here needs Go and the module proxy, and nothing else.

GO       ?= go
FUZZTIME ?= 30s
BENCH    ?= .
RACED    := ./core/gate/... ./core/plane/... ./httpserver/... ./cmd/...

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z0-9-]*:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/refrain
	$(GO) build -trimpath -o bin/refrain ./cmd/refrain

.PHONY: run
run: build ## run a control plane to look at, with requests to paste
	bin/refrain dev

.PHONY: test
test: ## run every test
	$(GO) test ./...

.PHONY: race
race: ## run the tests of what has goroutines, and of what they drive, under the race detector
	$(GO) test -race -short $(RACED)

.PHONY: lint
lint: ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt these files:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (30s)
	@set -e; for target in $$($(GO) test ./fuzz -list '^Fuzz' | grep '^Fuzz'); do \
		echo "== $$target for $(FUZZTIME)"; \
		$(GO) test ./fuzz -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME); \
	done

.PHONY: bench
bench: ## run the benchmarks that BENCH (all) matches
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: ci
ci: lint build test race ## what has to pass before a change lands

.PHONY: clean
clean: ## remove what make and make run have made
	rm -rf bin var
