# infrabackup: `make help` lists the targets.

SEED      ?= 7
ADUSERS   ?= 300
RESOURCES ?= 1000
FUZZTIME  ?= 10s
SIZE_MIB  ?= 2048
RUNS      ?= 3
STAMP     ?= 10000
SOAK      ?= 1h
CLUSTER   ?=

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X infrabackup/internal/build.version=$(VERSION)

export CGO_ENABLED ?= 0

FORMATTED = @test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt -w on these'; exit 1; }

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' Makefile

.PHONY: build
build: ## build bin/infrabackup, bin/infrabackup-worker and bin/lab
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/infrabackup ./starter
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/infrabackup-worker ./worker
	go build -trimpath -o bin/lab ./tests/lab/cmd/lab
	go build -trimpath -o bin/suite ./tests/suite

.PHONY: setup
setup: build ## install what the lab needs (Debian packages as root, the Temporal server)
	bin/lab install $(if $(CLUSTER),--cluster $(CLUSTER))

.PHONY: demo
demo: setup ## set everything up and take, verify and open a backup; leaves nothing running
	bin/lab demo --dir .lab/demo --seed $(SEED) --ad-users $(ADUSERS) --resources $(RESOURCES)

.PHONY: up
up: setup ## start lab, Temporal and worker, and stay until interrupted (CLUSTER=postgres: a cluster as in production)
	bin/lab up --dir .lab $(if $(CLUSTER),--cluster $(CLUSTER)) --seed $(SEED) --ad-users $(ADUSERS) --resources $(RESOURCES)

LAB = INFRABACKUP_BIN=$(CURDIR)/bin bin/lab test --dir .lab/test --seed $(SEED) --ad-users $(ADUSERS) --resources $(RESOURCES) --

.PHONY: quick
quick: ## format, vet and unit tests without servers, for while you think (under 90 s)
	$(FORMATTED)
	go vet ./...
	go run ./tests/suite quick

# The tests look at kinds and not at numbers; those that need many make their own.
test: RESOURCES = 300
.PHONY: test
test: setup ## set up real servers and run everything that protects a promise (limit: 12 min)
	$(LAB) bin/suite test

.PHONY: soak
soak: setup ## the long and the repeated, and the fuzz tests, for SOAK (1h)
	INFRABACKUP_SOAK=$(SOAK) $(LAB) bin/suite soak

.PHONY: times
times: ## the slowest tests and packages of the last run
	@go run ./tests/suite times

.PHONY: lint
lint: ## gofmt, vet, staticcheck, errcheck, ineffassign, workflowcheck
	$(FORMATTED)
	go vet ./...
	go vet -tags profile ./worker
	go tool staticcheck ./...
	go tool errcheck -ignoretests ./activities/... ./internal/... ./starter/... ./worker/... ./workflows/...
	go tool ineffassign ./...
	go tool workflowcheck -config .workflowcheck.yaml ./workflows/...

.PHONY: vuln
vuln: ## govulncheck: known vulnerabilities in what the product calls
	@out=$$(go tool govulncheck ./... 2>&1); rc=$$?; echo "$$out"; case "$$out" in *'fetching vulnerabilities:'*) \
	  echo 'NOT CHECKED: the database of vulnerabilities is not reachable from here' ;; *) exit $$rc ;; esac

.PHONY: check
check: ## what CI runs: lint and test (limit: 15 min)
	@began=$$(date +%s); $(MAKE) lint && $(MAKE) test && took=$$(( $$(date +%s) - began )) && echo "check: $$took s" && \
	  { [ $$took -le 900 ] || echo "########## TOO SLOW: make check took $$took s, and may take 900 s. Run make times. ##########"; }

.PHONY: bench
bench: setup ## measure whole backups and captures side by side with other tools
	go run ./tests/bench --profiles bin/profiles --size-mib $(SIZE_MIB) --resources $(STAMP) --runs $(RUNS)

.PHONY: release
release: ## make what is published of VERSION=v1.2.3 into dist, signed with SIGN=KEY
	go run ./deploy/release --version $(VERSION) --out dist $(if $(SIGN),--sign $(SIGN))

.PHONY: fuzz
fuzz: ## run every fuzz test for FUZZTIME
	@set -e; for pkg in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg; done; done

.PHONY: clean
clean: ## remove what was built; the lab's cache stays
	rm -rf bin .lab

.PHONY: mutants
mutants: setup ## break the product in many places, one at a time, and see that tests notice
	$(LAB) go run ./tests/mutants
