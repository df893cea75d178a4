# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

SWIFT ?= swift
BMSD ?= .build/release/bmsd
# The toolchain's own compiler where there is no other.
CC := $(or $(shell command -v cc),clang)
NOOPS = .build/bench/noop .build/bench/noop-no-reply .build/bench/noop-copy
SOURCES = Sources Tests Package.swift
# Seconds that each parser is fuzzed, as many at once as there are processors.
TIME ?= 20
# `make test` lets each parser see about the same inputs in every run.
SEED ?=
# thread or address: `make test` runs the tests of the wire with that sanitizer, and nothing else.
SANITIZE ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help deps build install uninstall deb demo test unit-test end-to-end fuzz sanitize bench benchmark lint module \
  mime-benchmark regenerate

PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/bmsd
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
MAILDIR ?= /etc/mail

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install the Debian packages that building needs
	Tests/Tools/install-packages build

build: deps ## one release executable, .build/release/bmsd, that needs only C libraries
	$(SWIFT) build -c release --product bmsd --static-swift-stdlib

install: ## put what is built in place, by DESTDIR= and PREFIX= (default /usr/local)
	@test -x $(BMSD) || { echo "there is no $(BMSD): run make build" >&2; exit 1; }
	install -D -m 755 $(BMSD) $(DESTDIR)$(SBINDIR)/bmsd
	install -D -m 644 man/bmsd.8 $(DESTDIR)$(MANDIR)/man8/bmsd.8
	install -D -m 644 man/bms.conf.5 $(DESTDIR)$(MANDIR)/man5/bms.conf.5
	install -D -m 644 etc/bms.conf $(DESTDIR)$(DOCDIR)/examples/bms.conf
	install -m 644 etc/attachment.txt $(DESTDIR)$(DOCDIR)/examples/attachment.txt
	install -d $(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(UNITDIR)
	$(BMSD) --generate-completion-script bash | sed "1{/^#!/d}" > $(DESTDIR)$(BASHDIR)/bmsd
	$(BMSD) --generate-completion-script zsh > $(DESTDIR)$(ZSHDIR)/_bmsd
	sed 's|/usr/sbin/bmsd|$(SBINDIR)/bmsd|' systemd/bmsd.service > $(DESTDIR)$(UNITDIR)/bmsd.service
	install -m 644 systemd/bmsd.socket $(DESTDIR)$(UNITDIR)/bmsd.socket
	install -D -m 644 systemd/bms.sysusers $(DESTDIR)$(SYSUSERSDIR)/bms.conf
	install -D -m 644 systemd/bms.tmpfiles $(DESTDIR)$(TMPFILESDIR)/bms.conf
	chmod 644 $(DESTDIR)$(BASHDIR)/bmsd $(DESTDIR)$(ZSHDIR)/_bmsd $(DESTDIR)$(UNITDIR)/bmsd.service
	@$(call keep,640,bms.conf)
	@$(call keep,644,m4/bms.m4)

# Configuration is the administrator's: it is put in place once and never again.
keep = if [ -e $(DESTDIR)$(MAILDIR)/$(2) ]; then echo "$(MAILDIR)/$(2) stays as it is"; \
	else install -D -m $(1) etc/$(notdir $(2)) $(DESTDIR)$(MAILDIR)/$(2); fi

uninstall: ## take away what install put in place, but neither configuration nor state
	rm -f $(DESTDIR)$(SBINDIR)/bmsd $(DESTDIR)$(MANDIR)/man8/bmsd.8 \
	  $(DESTDIR)$(MANDIR)/man5/bms.conf.5 $(DESTDIR)$(BASHDIR)/bmsd $(DESTDIR)$(ZSHDIR)/_bmsd \
	  $(DESTDIR)$(UNITDIR)/bmsd.service $(DESTDIR)$(UNITDIR)/bmsd.socket \
	  $(DESTDIR)$(SYSUSERSDIR)/bms.conf $(DESTDIR)$(TMPFILESDIR)/bms.conf
	rm -rf $(DESTDIR)$(DOCDIR)
	@echo "$(MAILDIR), /var/lib/bms and the user _bms stay"

deb: build ## a Debian package, .build/deb/bmsd_VERSION_ARCH.deb
	Tests/Tools/install-packages package
	Tests/Tools/build-deb

demo: build ## watch real mail go through a private Postfix and bmsd; KEEP=1 stays up
	Tests/Tools/install-packages demo
	Tests/Tools/demo $(BMSD)

ifeq ($(SANITIZE),)
test: ## install what the tests need, build, run everything
	Tests/Tools/install-packages --unpacked build tests package machine
	$(MAKE) lint unit-test build end-to-end
	$(MAKE) fuzz FIXED=1
else
test: sanitize
endif

unit-test: ## libraries, policies in process, and the wire through real libmilter
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build

end-to-end: ## real Postfix and Sendmail; needs `make build`
	BMSD=$(abspath $(BMSD)) Tests/Tools/run-end-to-end

bench: build $(NOOPS) ## what a message costs, beside milters that do nothing; BENCH="--rounds 3"
	Tests/Tools/install-packages --unpacked unbound
	$(SWIFT) build -c release --product MilterLoad --static-swift-stdlib
	.build/release/MilterLoad --json .build/bench/results.json $(BENCH)

.build/bench/noop: Tests/Benchmarks/NoOp/noop.c
	mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -o $@ $< -lmilter -lpthread

.build/bench/noop-no-reply: Tests/Benchmarks/NoOp/noop.c
	mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -DNO_REPLY -o $@ $< -lmilter -lpthread

.build/bench/noop-copy: Tests/Benchmarks/NoOp/noop.c
	mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -DCOPY -o $@ $< -lmilter -lpthread

fuzz: ## libFuzzer on every parser, TIME=20 seconds each, or FIXED=1; finds are in .build/fuzz/found
	Tests/Tools/fuzz $(if $(FIXED),--fixed,--time $(TIME)) $(if $(SEED),--seed $(SEED))

sanitize: ## tests of the wire with a sanitizer: make test SANITIZE=thread (or address)
	Tests/Tools/install-packages build tests
	Tests/Tools/run-sanitized $(or $(SANITIZE),thread)

benchmark: ## what a greylist check costs at 1,000 and 1,000,000 triplets
	$(SWIFT) run -c release GreylistBenchmark

mime-benchmark: ## what it costs to take a message apart and to inspect its names
	$(SWIFT) run -c release MIMEBenchmark

lint: ## formatting and documentation of the Swift sources
	$(SWIFT) format lint --strict --parallel --recursive $(SOURCES)

module: ## a new policy module: make module NAME=Foo
	Tests/Tools/new-module "$(NAME)"

regenerate: ## write etc/ and man/ anew from the tables of options and commands
	$(SWIFT) build --product bmsd
	.build/debug/bmsd config doc --format sample > etc/bms.conf.new
	.build/debug/bmsd config doc --format sendmail > etc/bms.m4.new
	.build/debug/bmsd config doc --format notice > etc/attachment.txt.new
	.build/debug/bmsd config doc --format man > man/bms.conf.5.new
	.build/debug/bmsd config doc --format commands > man/bmsd.8.new
	for file in etc/bms.conf etc/bms.m4 etc/attachment.txt man/bms.conf.5 man/bmsd.8; do mv $$file.new $$file; done
