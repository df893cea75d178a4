# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

SWIFT ?= swift
BMSD = .build/release/bmsd
SOURCES = Sources Tests Package.swift
# Seconds that each parser is fuzzed.
TIME ?= 20
# thread or address: `make test` runs the tests of the wire with that sanitizer, and nothing else.
SANITIZE ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help deps build demo test unit-test end-to-end fuzz sanitize benchmark lint module regenerate

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install the Debian packages that building needs
	Tests/Tools/install-packages build

build: deps ## one release executable, .build/release/bmsd, that needs only C libraries
	$(SWIFT) build -c release --product bmsd --static-swift-stdlib

demo: build ## watch real mail go through a private Postfix and bmsd; KEEP=1 stays up
	Tests/Tools/install-packages demo
	Tests/Tools/demo $(BMSD)

ifeq ($(SANITIZE),)
test: ## install what the tests need, build, run everything
	Tests/Tools/install-packages --unpacked build tests
	$(MAKE) lint unit-test build end-to-end fuzz
else
test: sanitize
endif

unit-test: ## libraries, policies in process, and the wire through real libmilter
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build

end-to-end: ## real Postfix and Sendmail; needs `make build`
	BMSD=$(CURDIR)/$(BMSD) Tests/Tools/run-end-to-end

fuzz: ## libFuzzer on every parser, TIME=20 seconds each; finds are in .build/fuzz/found
	Tests/Tools/fuzz --time $(TIME)

sanitize: ## tests of the wire with a sanitizer: make test SANITIZE=thread (or address)
	Tests/Tools/install-packages build tests
	Tests/Tools/run-sanitized $(or $(SANITIZE),thread)

benchmark: ## what a greylist check costs at 1,000 and 1,000,000 triplets
	$(SWIFT) run -c release GreylistBenchmark

lint: ## formatting and documentation of the Swift sources
	$(SWIFT) format lint --strict --parallel --recursive $(SOURCES)

module: ## a new policy module: make module NAME=Foo
	Tests/Tools/new-module "$(NAME)"

regenerate: ## write etc/bms.conf and man/bms.conf.5 from the option tables
	$(SWIFT) build --product bmsd
	.build/debug/bmsd config doc --format sample > etc/bms.conf.new
	.build/debug/bmsd config doc --format man > man/bms.conf.5.new
	mv etc/bms.conf.new etc/bms.conf
	mv man/bms.conf.5.new man/bms.conf.5
