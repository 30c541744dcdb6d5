# make demo   the sample borough at http://localhost:8080; needs only Go
# make test   everything, with its own set-up
# make bench  the numbers in docs/benchmarks.md
# make help   this list, and the rest

GO      ?= go
TESTENV  = SITENOTICE_SHARED="$(SITENOTICE_SHARED)"

# The packages with goroutines of their own. This run leaves out SQLite, the browser,
# whole registers, the scripts of the command, and three random histories in four, which
# the full one has.
RACE = ./alerts/ingest ./alerts/match ./alerts/compose ./alerts/deliver ./alerts/store ./web ./cmd/sitenotice

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

.PHONY: demo
demo: ## show everything with sample data, at http://localhost:8080
	CGO_ENABLED=0 $(GO) run ./cmd/sitenotice demo

.PHONY: build
build: ## build the program
	CGO_ENABLED=0 $(GO) build -o sitenotice ./cmd/sitenotice

.PHONY: test
test: setup assets vet unit race ## run everything that shows whether it works

.PHONY: setup
setup: ## install what the tests need, on Debian as root
	@sh .ci/setup

.PHONY: vet
vet: ## formatting, go vet, staticcheck, tidy modules
	@test -z "$$(gofmt -l alerts cmd geo migrations web/*.go web/browsertest)" || { gofmt -l alerts cmd geo migrations web/*.go web/browsertest; echo "make vet: run gofmt -w on these files"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff

.PHONY: unit
unit: ## tests on both engines, the real command and the real browser
	CGO_ENABLED=0 $(TESTENV) $(GO) test ./...

.PHONY: race
race: ## the race detector on the packages with goroutines
	CGO_ENABLED=1 $(TESTENV) $(GO) test -race -short $(RACE)

.PHONY: assets
assets: ## fetch the browser's map and drawing scripts, and axe for the tests
	@sh .ci/assets

.PHONY: bench
bench: ## measure; PostGIS is compared with when it is installed
	CGO_ENABLED=0 $(TESTENV) $(GO) test -run '^$$' -bench . ./geo/... ./alerts/compose
	CGO_ENABLED=0 $(TESTENV) $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m -v ./alerts/ingest ./alerts/match ./alerts/deliver ./cmd/sitenotice
	CGO_ENABLED=0 $(TESTENV) $(GO) test -run '^$$' -bench MillionRows -benchtime 1x -timeout 60m -v ./cmd/sitenotice
	CGO_ENABLED=0 $(TESTENV) $(GO) test -run '^$$' -bench AreaPage -benchtime 300x -timeout 60m -v ./web

.PHONY: torture
torture: ## kill the program and break its database over and over (KILLS=1000 times on each engine; hours)
	CGO_ENABLED=0 $(GO) test ./cmd/sitenotice/torture -v -timeout 24h -kills $${KILLS:-1000}

.PHONY: mutants
mutants: ## break each invariant on purpose and see its test fail
	CGO_ENABLED=0 $(TESTENV) $(GO) test ./cmd/sitenotice/torture -run TestEachInvariant -v -timeout 2h -mutants

.PHONY: fuzz
fuzz: ## fuzz every target for a short while (FUZZTIME=10s each)
	@for package in $$(grep -rl --include=*_test.go '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9]+' $$package/*_test.go | cut -c6-); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $${FUZZTIME:-10s} $$package || exit 1; \
		done; \
	done

.PHONY: screenshots
screenshots: ## make docs/screenshots anew from the running program
	$(TESTENV) $(GO) test ./web/ -run Browser -update
