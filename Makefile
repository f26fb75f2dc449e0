# infrabackup: `make help` lists the targets.

SEED      ?= 7
ADUSERS   ?= 300
RESOURCES ?= 1000
FUZZTIME  ?= 10s
SIZE_MIB  ?= 2048
RUNS      ?= 3
STAMP     ?= 10000

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' Makefile

.PHONY: build
build: ## build bin/infrabackup, bin/infrabackup-worker and bin/lab
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/infrabackup ./starter
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/infrabackup-worker ./worker
	go build -trimpath -o bin/lab ./tests/lab/cmd/lab

.PHONY: setup
setup: build ## install what the lab needs (Debian packages as root, the Temporal server)
	bin/lab install

.PHONY: demo
demo: setup ## set everything up and take, verify and open a backup; leaves nothing running
	bin/lab demo --dir .lab/demo --seed $(SEED) --ad-users $(ADUSERS) --resources $(RESOURCES)

.PHONY: up
up: setup ## start lab, Temporal and worker, and stay until interrupted
	bin/lab up --dir .lab --seed $(SEED) --ad-users $(ADUSERS) --resources $(RESOURCES)

.PHONY: test
test: setup ## set up real servers and run all tests
	CGO_ENABLED=1 bin/lab test --dir .lab/test --seed $(SEED) --ad-users $(ADUSERS) --resources $(RESOURCES) -- go test -race -p 1 -timeout 60m ./...

.PHONY: lint
lint: ## gofmt, vet, staticcheck, workflowcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt -w on these'; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go tool workflowcheck -config .workflowcheck.yaml ./workflows/...

.PHONY: check
check: lint test ## what CI runs

.PHONY: bench
bench: setup ## measure whole backups and captures side by side with other tools
	go run ./tests/bench --size-mib $(SIZE_MIB) --resources $(STAMP) --runs $(RUNS)

.PHONY: fuzz
fuzz: ## run every fuzz test for FUZZTIME
	@set -e; for pkg in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg; done; done

.PHONY: clean
clean: ## remove what was built; the lab's cache stays
	rm -rf bin .lab
