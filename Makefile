# Everything a fresh Debian-like machine with Python >= 3.11 needs, in two commands:
#   make demo   the main job on embedded defaults, real data flowing
#   make test   lint, types, import floors and every test, against real servers
#   make bench  every benchmark in its quick size, some ten minutes; docs/performance.md has the long ones
# and on a server:
#   make install VENV=/opt/archiver/.venv   only what runs every night, hash-checked (docs/getting-started.md)
#                RUN=requirements/alerts.txt   with what the alert service needs

PYTHON ?= python3
VENV   ?= .venv
RUN    ?= requirements/run.txt
BIN    := $(VENV)/bin
PYTEST ?= -q -n 2 --dist loadfile
LOOPS  := archiver/neighbours/loki/_entries archiver/neighbours/postgres/_uuid_text

.PHONY: demo test bench lint unit lock install clean help
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

# Hash-checked, binary wheels only: a changed or missing file stops the installation. What builds the package is locked
# too, and the hot loops are compiled in place where there is a C compiler; without one the same file runs uncompiled.
$(BIN)/.demo: requirements/demo.txt requirements/build.txt pyproject.toml $(LOOPS:=.py) $(LOOPS:=.pxd)
	@$(PYTHON) -c 'import sys; sys.exit("archiver needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "no venv module: as root, apt-get install python3-venv; or make PYTHON=<another python3>"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/demo.txt -r requirements/build.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(BIN)/.test: $(BIN)/.demo requirements/test.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/test.txt
	@touch $@

demo: $(BIN)/.demo
	$(BIN)/archiver demo $(ARGS)

test: lint unit

bench: $(BIN)/.test
	@for name in export dataapi purge ledger expire loki_decode loki_export; do \
		echo; echo "bench_$$name"; $(BIN)/python -m tests.bench.bench_$$name || exit 1; \
	done

lint: $(BIN)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(BIN)/.test
	$(BIN)/python -m pytest $(PYTEST)

# Not in place: what cron runs must not change with a `git pull` that nobody has tried.
install:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $(RUN) -r requirements/build.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall .
	$(BIN)/archiver --version

# Rewrites the hashed requirements. They name no index, no host and no path.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --group build -o requirements/build.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra demo pyproject.toml -o requirements/demo.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra demo --extra alerts --group dev pyproject.toml -o requirements/test.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --constraint requirements/test.txt pyproject.toml -o requirements/run.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --group synthetic -o requirements/synthetic.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --constraint requirements/test.txt --extra alerts pyproject.toml -o requirements/alerts.txt

clean:
	rm -rf $(VENV) build dist demo .mypy_cache .ruff_cache .hypothesis *.egg-info $(LOOPS:=.c) $(LOOPS:=.*.so)
