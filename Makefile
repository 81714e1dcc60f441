# The two commands a newcomer needs are `make run` and `make test`; `make` lists the rest.

CARGO ?= cargo
# Fixed, so that the binary is where the documentation says, whatever the environment sets.
RELEASE := target/release/afield
# Further arguments: make run ARGS="--listen 127.0.0.1:7500", make bench NAME=accept ARGS=--peers
ARGS ?=
NAME ?= all

.DEFAULT_GOAL := help
.PHONY: help run test build web setup generate fmt bench lighthouse clean

# The web app is built again when one of these changed.
WEB_SOURCES := $(shell find web/src web/build web/public web/index.html web/*.json web/*.ts web/*.js -type f)

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: build ## Build Afield and start it on this machine (server and one runner)
	$(RELEASE) up $(ARGS)

test: ## Install what the tests need, then run every check and test
	@scripts/setup test
	$(CARGO) xtask test

build: ## Build the release binary: target/release/afield
	@scripts/setup build
	$(MAKE) --no-print-directory web
	$(CARGO) build --release --locked --target-dir target --package afield

web: web/dist/index.html ## Build the web app, which becomes part of the binary

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	cd web && npm run build

setup: ## Install what building and testing need, and nothing else
	@scripts/setup test

generate: ## Write the files made from the code (JSON Schema, TypeScript)
	$(CARGO) xtask generate

fmt: ## Format the code
	$(CARGO) fmt --all

bench: ## Measure against the floor of this machine (NAME=accept ARGS=--peers)
	@scripts/setup build
	$(CARGO) xtask bench $(NAME) $(ARGS)

lighthouse: web ## Measure the web app with Lighthouse (not part of make test)
	$(CARGO) build --locked --target-dir target --package afield
	cd web/lighthouse && npm ci && AFIELD_BIN=$(CURDIR)/target/debug/afield npm run measure

clean: ## Remove everything that was built
	$(CARGO) clean
	rm -rf web/dist web/node_modules web/test-results
