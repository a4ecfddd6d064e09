# mailquorum: `make help` lists what can be made.
SHELL := /bin/bash
GO ?= go

.PHONY: help build demo test race lint integration bench bench-real fuzz sim ci clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the one binary, ./mailquorum
	$(GO) build -trimpath -o mailquorum .

demo: build ## the main job, on an embedded provider: watch an outage being declared (under 90 s)
	./mailquorum demo --once

test: ## all unit tests; needs nothing but Go
	$(GO) test -timeout 20m ./...

race: ## the same under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

lint: ## gofmt, go vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags integration ./internal/integration/
	$(GO) tool staticcheck ./...

integration: ## the suite on real servers (Debian and root: installs Postfix and Dovecot)
	internal/integration/provider.sh install >/tmp/mailquorum-install.log 2>&1 || (apt-get update -qq && internal/integration/provider.sh install >/tmp/mailquorum-install.log 2>&1) || (tail -20 /tmp/mailquorum-install.log; exit 1)
	$(GO) test -tags integration -count=1 -timeout 25m -v ./internal/integration/

bench: ## what a canary costs, and how fast the parts are
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-real: ## the same for a canary on real servers (Debian and root; make integration has installed them)
	$(GO) test -tags integration -run '^$$' -bench Real ./internal/integration/

FUZZTIME ?= 30s
fuzz: ## run each fuzz target for FUZZTIME
	@set -e; for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz || true); do \
	    echo "== $$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p; \
	  done; done

SIM ?= -years 40 -trials 2000
sim: ## measure the decision in two simulated worlds, and write docs/decision.md (long)
	$(GO) run ./internal/sim/decision $(SIM) -o docs/decision.md

clean: ## remove what was built
	rm -f mailquorum
