# Every target works on a clean clone with Go and the module proxy. Only the race
# detector needs a C compiler as well.

GO       ?= go
FUZZTIME ?= 30s
BENCH    ?= .
ROUNDS   ?= 200
ROTATE_AGENTS ?= 200
DISK_HOSTS ?= 200
GIANT_HOSTS ?= 150000

# core has no goroutines, which core/purity_test.go verifies, so its own tests
# have no races; the packages that drive it are raced together with it.
# The mutants' tests only start compilers.
RACED = $$($(GO) list ./... | grep -E '/(cmd|httpserver|httpagent|scenarios)(/|$$)' | grep -v '/scenarios/mutants')
# A simulated world has none either, but a search runs many side by side.
RACED_IN_SIM = Search|SideBySide

# Their tests need a browser.
BROWSED = ./sim/picture ./httpserver/page

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z0-9-]*:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/refrain, static
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/refrain ./cmd/refrain

.PHONY: run
run: build ## run a demo control plane, with requests to paste
	bin/refrain dev

.PHONY: test
test: ## run every test, and every seed of the fuzz targets
	$(GO) test ./...

.PHONY: test32
test32: ## run the tests of core and sim as a 32-bit program
	GOARCH=386 $(GO) vet ./...
	GOARCH=386 CGO_ENABLED=0 $(GO) test -short ./core/... ./sim/...

.PHONY: conform
conform: build ## compare simulator and server on the corpus and on 2,004 drawn scenarios
	$(GO) test ./scenarios -count=1 -run Conformance -conformance.seeds 0
	bin/refrain sim conform --seeds 334 --go-on

.PHONY: race
race: ## run the tests of packages with goroutines under the race detector
	@if [ "$$($(GO) env CGO_ENABLED)" != 1 ]; then \
		echo "race: the race detector needs cgo and a C compiler; go env CC names $$($(GO) env CC)" >&2; exit 1; fi
	$(GO) test -race -short -timeout 20m $(RACED)
	$(GO) test -race -short -run '$(RACED_IN_SIM)' ./sim ./sim/search

.PHONY: lint
lint: ## gofmt, vet, staticcheck
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .) || exit 1; \
		if [ -n "$$unformatted" ]; then echo "gofmt these files:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags e2e $(BROWSED)
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags e2e $(BROWSED)

.PHONY: e2e
e2e: chromium ## test the simulator's pages and the live page in a real browser; install chromium if missing
	$(GO) test -count=1 -tags e2e $(BROWSED)

.PHONY: pictures
pictures: chromium ## draw the README's pictures anew, in docs/pictures
	@mkdir -p docs/pictures
	PICTURES=$(CURDIR)/docs/pictures $(GO) test -count=1 -tags e2e -run '^TestPicturesOfTheDocuments$$' $(BROWSED)

.PHONY: chromium
chromium:
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "e2e: there is no chromium; install it (as root: apt-get install chromium), or set CHROMIUM" >&2; exit 1; }; \
		apt-get install -y --no-install-recommends chromium; }

.PHONY: cross
cross: ## compile the program for linux and darwin, amd64 and arm64
	@for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do \
		echo "cross: $$target"; CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build -trimpath -o /dev/null ./cmd/refrain || exit 1; done

.PHONY: packages
packages: ## make binaries, .deb, .rpm, SBOM and their sums in var/release; VERSION=1.2.3
	deploy/package/make.sh $(VERSION)

.PHONY: reproducible
reproducible: ## make the packages twice, the second time from an archive of the commit elsewhere, and compare every byte
	deploy/package/reproducible.sh $(VERSION)

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (30s)
	@fuzz/run.sh $(FUZZTIME)

.PHONY: rates
rates: ## measure how often runs show each probe, and rewrite sim/search/rates.txt
	$(GO) test ./sim/search -count=1 -timeout 60m -run '^TestMeasureTheRatesOfTheProbes$$' -rates

.PHONY: shrinks
shrinks: ## shrink twenty planted failures and print how small they become
	$(GO) test ./sim/search -count=1 -v -run '^TestTwentyPlantedFailuresBecomeSmall$$'

.PHONY: kill
kill: ## kill the real binary under load ROUNDS (200) times, damage its log, fill its disk
	KILL_ROUNDS=$(ROUNDS) $(GO) test ./cmd/refrain -count=1 -timeout 60m -v \
		-run '^(TestKilledPlanesLoseNothing|TestADamagedWriteAheadLogCostsItsEndOrIsFound|TestAFullDiskIsRefusedAndGotOver)$$'

.PHONY: disks
disks: ## fill the disk of the real binary, make it read-only, let its syncs fail, under DISK_HOSTS (200) hosts; as root
	DISK_HOSTS=$(DISK_HOSTS) $(GO) test ./cmd/refrain -count=1 -timeout 20m -v -parallel 1 -run 'UnderSteadyHosts$$'

.PHONY: rotate
rotate: ## replace certificates and CA of the real binary under the load of ROTATE_AGENTS (200)
	ROTATE_AGENTS=$(ROTATE_AGENTS) $(GO) test ./cmd/refrain -count=1 -timeout 20m -v -run '^TestRotationsUnderLoadFailNoRequest$$'

.PHONY: attack
attack: ## attack the real binary in 16 ways and print what honest hosts feel, which takes 6 minutes; ATTACK has flags
	$(GO) run ./scenarios/attack/run $(ATTACK)

.PHONY: bench
bench: ## run the benchmarks that BENCH (all) matches
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: million
million: ## simulate a million hosts for an hour, which takes 15 minutes
	REFRAIN_SIM_MILLION=1 $(GO) test ./sim -run '^$$' -bench AMillionHosts -benchtime 1x -timeout 6h -v

.PHONY: wiped
wiped: build ## take the database of a real plane of HOSTS (2000) real agents away, and show how it learns of them again
	HOSTS=$(or $(HOSTS),2000) REPLAYS=$(or $(REPLAYS),256) INTERVAL=$(or $(INTERVAL),30s) ./cmd/refrain/wiped.sh

.PHONY: pages
pages: build ## measure what PAGES (10) open live pages cost a plane that knows HOSTS (100000) hosts
	HOSTS=$(or $(HOSTS),100000) PAGES=$(or $(PAGES),10) ./cmd/refrain/pages.sh

.PHONY: giant
giant: ## open a manifest of GIANT_HOSTS (150000) hosts beside heartbeats, and print how long they take
	REFRAIN_GIANT_HOSTS=$(GIANT_HOSTS) $(GO) test ./httpserver -count=1 -timeout 20m -v -run '^TestGiantManifest'

.PHONY: mutants
mutants: ## plant every bug of scenarios/mutants, one at a time, and print which layer catches it
	$(GO) run ./scenarios/mutants/score

.PHONY: mutants-ci
mutants-ci: ## verify that every mutant applies and compiles, and that five are caught
	$(GO) test -count=1 -v ./scenarios/mutants

.PHONY: cover
cover: ## run every test and print the coverage
	@mkdir -p var
	$(GO) test -coverprofile var/cover.out ./...
	@$(GO) tool cover -func var/cover.out | tail -n 1
	@echo "look at it with: $(GO) tool cover -html var/cover.out"

.PHONY: ci
ci: ## run what has to pass before a change lands: lint, build, test, race, e2e
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory test
	@if [ "$$($(GO) env CGO_ENABLED)" = 1 ]; then $(MAKE) --no-print-directory race; \
		else echo "ci: NOT RUN: race, since there is no C compiler here" >&2; fi
	@if command -v "$${CHROMIUM:-chromium}" >/dev/null; then $(MAKE) --no-print-directory e2e; \
		else echo "ci: NOT RUN: e2e, since there is no chromium here; 'make e2e' installs Debian's" >&2; fi

.PHONY: clean
clean: ## remove the files that other targets make
	rm -rf bin var
