# What a developer types. `make` alone lists it.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/done
ARCH := $(shell uname -m)
CONSTRAINTS := packaging/constraints.txt
# 3.11 first: it is what everything is tested with.
PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)
# Hundreds of processes are started: without bytecode each would compile all that it imports.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
SYSTEM := packaging/linux/system-packages.sh

QT_PACKAGES := libdbus-1-3 libegl1 libfontconfig1 libgl1 libglib2.0-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 \
	libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-shm0 libxcb-sync1 libxcb-xfixes0 \
	libxcb-xinerama0 libxcb-xkb1 libxkbcommon-x11-0
TEST_PACKAGES := $(QT_PACKAGES) fonts-dejavu-core fonts-noto-cjk gcc iproute2 libc6-dev openssh-server sudo xauth xvfb
BENCH_PACKAGES := openssh-server sudo wrk
BUILD_PACKAGES := $(QT_PACKAGES) binutils fonts-dejavu-core x11-utils xvfb
# Debian's Python has its library, which the built program needs, in a package of its own.
LIBPYTHON = $(shell $(BIN)/python -c 'import sys; v = sys.version_info; \
	print(f"libpython{v[0]}.{v[1]}" if sys.base_prefix == "/usr" else "")')

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: demo
demo: $(DONE)/run ## Show the whole loop on this machine: in a window where there is a display, else in the terminal
	@if [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ]; then $(SYSTEM) "to open a window" $(QT_PACKAGES); fi
	@$(BIN)/lineside demo $(ARGS)

.PHONY: setup
setup: $(DONE)/dev ## Make the whole development environment in .venv

.PHONY: test
test: $(DONE)/dev ## Run every test (ARGS are passed to pytest)
	@$(SYSTEM) "to run the tests" $(TEST_PACKAGES)
	$(PYTEST) -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(ARGS)

.PHONY: lint
lint: $(DONE)/dev ## Check style, types and the dependency rule
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: faults
faults: $(DONE)/dev ## Every fault test in full: 200 rounds of SIGKILL, every step of an update; a quarter of an hour
	@$(SYSTEM) "to run the tests" $(TEST_PACKAGES)
	LINESIDE_FAULT_ROUNDS=200 $(PYTEST) tests/faults --timeout 1800 -o faulthandler_timeout=4200 $(ARGS)

.PHONY: soak
soak: $(DONE)/dev ## Twenty minutes at full load: memory must stay flat, and no descriptor may leak
	$(BIN)/python -m tests.faults.soak $(ARGS)

.PHONY: bench
bench: $(DONE)/dev ## Measure against references in the same run and renew docs/performance.md
	@$(SYSTEM) "to measure" $(BENCH_PACKAGES)
	$(BIN)/python -m tests.bench $(ARGS)

.PHONY: package
package: $(DONE)/dev ## Build the desktop and its .deb into dist/, and start the built program once
	@$(SYSTEM) "to build and start the package" $(BUILD_PACKAGES) $(LIBPYTHON)
	PYTHONPATH=packaging $(BIN)/python packaging/linux/build.py

.PHONY: edge-bundle
edge-bundle: $(DONE)/dev ## All that a box without a network needs, into dist/: ARCH=x86_64 or aarch64
	PYTHONPATH=packaging $(BIN)/python packaging/edge/build.py --arch $(ARCH) $(if $(PYTHONS),--pythons $(PYTHONS))

.PHONY: constraints
constraints: $(DONE)/dev ## Pin what is installed in .venv now
	$(BIN)/python packaging/pin.py > $(DONE)/constraints.txt
	mv $(DONE)/constraints.txt $(CONSTRAINTS)
	touch $(DONE)/run $(DONE)/dev

$(DONE)/venv:
	@test -n "$(PYTHON)" || { echo "Lineside needs Python 3.11 or newer: sudo apt-get install -y python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(SYSTEM) "to make a virtual environment" python3-venv
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(DONE) && touch $@

$(DONE)/run: $(DONE)/venv pyproject.toml $(CONSTRAINTS)
	$(PIP_INSTALL) -e '.[desktop,train]'
	@touch $@

$(DONE)/dev: $(DONE)/venv pyproject.toml $(CONSTRAINTS)
	$(PIP_INSTALL) -e '.[desktop,grpc,train,dev]'
	@touch $(DONE)/run $@
