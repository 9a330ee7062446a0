# Everything sets itself up on first use: system libraries, a virtual environment in .venv, the package.
.PHONY: help setup setup-dev demo serve test test-quick test-operations web image check docs notebooks site dashboards bench release-check clean
DATA ?= ../shared/data
# Tests wait for servers and processes half of their time: three files run side by side on two cores.
TEST_PROCESSES ?= 3
SIDE_BY_SIDE = --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup:  ## install E2E3D into .venv
	@scripts/setup.sh

setup-dev:
	@scripts/setup.sh dev

demo: setup  ## start a service, send it a sample set, and get the model
	@.venv/bin/python scripts/demo.py demo

serve: setup  ## run the service on this machine; what it keeps lies in e2e3d-data
	@E2E3D_HOME="$${E2E3D_HOME:-$(CURDIR)/e2e3d-data}" .venv/bin/e2e3d serve

test: setup-dev  ## run the tests, those of operations excepted
	@.venv/bin/python -m pytest $(SIDE_BY_SIDE)

test-quick: setup-dev  ## run the tests that take seconds
	@.venv/bin/python -m pytest $(SIDE_BY_SIDE) -m "not slow"

test-operations: setup-dev  ## run the tests that take minutes each: hosts that die, outages, gigabytes (as root)
	@.venv/bin/python -m pytest -m operations

web: setup-dev  ## build the page into the package, and run its own tests
	@.venv/bin/python scripts/build_web.py --test

image:  ## build the image of the service with buildah
	@cluster/images/build.sh cpu

check: setup-dev  ## ruff, mypy and the import contract
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

docs: setup  ## write the pages that are made from the source: commands, settings, errors, metrics, results
	@.venv/bin/python scripts/commands_page.py > docs/cli.md.new && mv docs/cli.md.new docs/cli.md
	@.venv/bin/python scripts/settings_page.py > docs/settings.md.new && mv docs/settings.md.new docs/settings.md
	@.venv/bin/python scripts/errors_page.py > docs/errors.md.new && mv docs/errors.md.new docs/errors.md
	@.venv/bin/python scripts/metrics_page.py > docs/metrics.md.new && mv docs/metrics.md.new docs/metrics.md
	@.venv/bin/python benchmarks/results_page.py

notebooks: setup-dev  ## run the notebooks (minutes) and write them as pages into build/notebooks, where the site finds them
	@.venv/bin/python scripts/notebook_pages.py build/notebooks/work build/notebooks

site: setup-dev  ## build the documents as a site into build/site
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

dashboards: setup-dev  ## write the dashboards for Grafana into build/dashboards
	@.venv/bin/python -m cluster.grafana.build build/dashboards

bench: setup  ## measure cost and quality against goals and peers (DATA=FOLDER with the photographs)
	@.venv/bin/python benchmarks/bench.py $(DATA) build/bench

release-check: setup-dev  ## build sdist and wheel, install them in an empty environment and try them
	@.venv/bin/python scripts/release_check.py build/release

clean:  ## remove what the targets made, the virtual environment excepted
	rm -rf demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
