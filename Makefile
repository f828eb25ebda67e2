# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
DOCS := .cache/docs/venv
RELEASE := .cache/release/venv
READY := $(VENV)/ready
MADE := $(VENV)/made-by-make
# Every program of the environment first, whatever the caller has activated.
export PATH := $(CURDIR)/$(BIN):$(PATH)
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

# A stack for each half of the tests. What must stay together is a group: see tests/conftest.py. In the order of the
# folders the integration tests, which take long, begin first, and neither half ends much later than the other.
PARALLEL := -n 2 --dist loadgroup --no-loadscope-reorder

# What `make bench` measures; by default 1 to 1,000 alerts, for which the documented script alone takes a quarter of an hour.
SIZES :=
WORLDS := real one empty
REPEAT := 3

minor = $(shell $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
headline = @printf '\n=== %s\n' "$(1)"

# An environment that is there stays, unless another Python is asked for by name.
ifneq ($(origin PYTHON),undefined)
ifneq ($(call minor,$(PYTHON)),$(call minor,$(BIN)/python))
.PHONY: $(READY)
endif
endif
PYTHON ?= python3
# Found on the caller's PATH, not on the one above: .venv's own Python must not be asked to replace itself.
INTERPRETER = $(or $(shell $(PYTHON) -c 'import sys; print(sys.executable)' 2>/dev/null),false)

.PHONY: help setup demo show test test-exhaustive pytest checks lint sanity programs unit integration bench calls
.PHONY: matrix operation scaling growth docs changelog release picture screens clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'
	@printf '\n  PYTHON=python3.13 chooses the Python (3.11 or later) that .venv is made with.\n'
	@printf '  PYTEST="-k word -x" is given to pytest; KEEP=1 leaves the stack of the demo running.\n'
	@printf '  SIZES="10 100" WORLDS="real one empty" REPEAT=3 choose what bench measures, SIZES also growth.\n'

setup: $(READY) ## Make .venv with everything pinned in requirements.txt and requirements/

# Only an environment that was made here is made anew: somebody's own has no mark, and a link leads to another checkout's.
ifneq ($(shell test -L $(VENV) && echo link),)
$(READY): ;
else
$(READY): requirements.txt $(filter-out requirements/docs.txt requirements/release.txt,$(wildcard requirements/* requirements/collections/*))
	@if [ -e $(VENV) ] && [ ! -e $(MADE) ] && [ ! -e $(READY) ]; then \
	    echo "$(VENV) was not made by make setup, so it is left as it is. Rename or remove it first." >&2; \
	    exit 1; \
	fi
	$(call headline,setup: $(VENV) with $(PYTHON) $(call minor,$(PYTHON)))
	@$(INTERPRETER) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "$(PYTHON) is not Python 3.11 or later: name one with make setup PYTHON=..." >&2; exit 1; }
	@$(INTERPRETER) -m venv --clear $(VENV)
	@touch $(MADE)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --requirement requirements/dev.txt \
	    --constraint requirements/constraints.txt
	@$(BIN)/python requirements/collection.py amazon.aws awx.awx
	@touch $@
endif

demo: setup ## Remediate a dozen alerts in three emulated accounts, from the queue to the report
	@PYTHONPATH=tests $(BIN)/python demo $(if $(KEEP),--keep)

# Uses the environment that is there: showing a file makes and changes none.
show: ## Show what a run made of one alert, and why: make show ALERT=I-1234567
	@command -v ansible-playbook >/dev/null || { echo "ansible-playbook is not installed. Run make setup first." >&2; exit 1; }
	@ansible-playbook playbooks/show.yml

test: setup programs ## Everything: lint, sanity, unit and integration tests
	@exec 9>&1 && OUTPUT=9 $(MAKE) --no-print-directory --jobs=2 --output-sync=target pytest checks

test-exhaustive: export LEASTPRIV_EXHAUSTIVE := 1
test-exhaustive: test ## The same with every row and the large counts: before a release

# Its dots are shown as they come; what lint and sanity say beside it is shown when each of them has ended.
pytest: setup
	@printf '\n=== unit and integration tests\n' >&$${OUTPUT:-1}
	@$(BIN)/python -m pytest -q $(PARALLEL) $(PYTEST) >&$${OUTPUT:-1}

checks: setup
	@nice $(MAKE) --no-print-directory lint sanity

lint: setup ## ruff, mypy, wording, yamllint, ansible-lint
	$(call headline,ruff)
	@$(BIN)/ruff check .
	$(call headline,mypy)
	@$(BIN)/mypy
	$(call headline,wording)
	@$(BIN)/python tests/wording.py
	$(call headline,yamllint)
	@$(BIN)/yamllint --strict .
	$(call headline,ansible-lint)
	@$(BIN)/ansible-lint --offline --profile production -q

sanity: setup ## ansible-test sanity on the collection as it is published
	$(call headline,ansible-test sanity)
	@tests/sanity/run

programs: ## Install Debian's Chromium and Java where there are none, for the tests that need them (needs root)
	@tests/programs/install

unit: setup ## Unit tests only
	@$(BIN)/python -m pytest -q $(PARALLEL) tests/unit $(PYTEST)

integration: setup programs ## Integration tests only: the real ansible-playbook against the stack
	@$(BIN)/python -m pytest -q $(PARALLEL) tests/integration $(PYTEST)

bench: setup ## Race Leastpriv against the documented script, into docs/performance.md
	@PYTHONPATH=tests $(BIN)/python bench/compare.py $(if $(SIZES),--sizes $(SIZES)) --worlds $(WORLDS) --repeat $(REPEAT)
	@PYTHONPATH=tests $(BIN)/python bench/translate.py

calls: setup ## Count the AWS calls of a run, into docs/performance.md
	@PYTHONPATH=tests:collections $(BIN)/python bench/calls.py

scaling: setup ## Simulate many runs over many accounts, into docs/scaling.md
	@PYTHONPATH=tests $(BIN)/python bench/hosts.py
	@PYTHONPATH=tests $(BIN)/python bench/simulate.py

growth: setup ## Measure runs of 1,000 to 10,000 alerts over 100 accounts, half an hour or more, into docs/scaling.md
	@PYTHONPATH=tests $(BIN)/python bench/growth.py $(if $(SIZES),--sizes $(SIZES))

operation: setup ## Print the row and the fixture of an IAM operation to fill in: make operation NAME=UpdateUser
	@$(BIN)/python docs/make_operation.py $(NAME)

docs: setup $(DOCS)/ready ## Build the documentation's site in .cache/docs/site
	@PATH=$(CURDIR)/$(DOCS)/bin:$$PATH docs/site/build $(CURDIR)/.cache/docs/site

picture: setup programs ## Take the README's picture of report.html anew
	@PYTHONPATH=tests $(BIN)/python -m browser.picture

changelog: setup $(DOCS)/ready ## Write CHANGELOG.md from changelogs/fragments
	@PATH=$(CURDIR)/$(DOCS)/bin:$$PATH ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/collections \
	    antsibull-changelog release --update-existing --refresh --reload-plugins

$(DOCS)/ready: requirements/docs.txt
	$(call headline,$(DOCS): what documentation is made with)
	@$(BIN)/python -m venv --clear $(DOCS)
	@$(DOCS)/bin/python -m pip install -qq --disable-pip-version-check --requirement requirements/docs.txt
	@touch $@

release: setup $(RELEASE)/ready ## Build the collection, check and try it, into .cache/release/out
	@tests/release/run $(CURDIR)/$(RELEASE) $(CURDIR)/.cache/release/out

$(RELEASE)/ready: requirements/release.txt requirements.txt requirements/collections/amazon.aws.txt
	$(call headline,$(RELEASE): what a release is checked with)
	@$(BIN)/python -m venv --clear $(RELEASE)
	@$(RELEASE)/bin/python -m pip install -qq --disable-pip-version-check --requirement requirements/release.txt
	@$(RELEASE)/bin/python requirements/collection.py amazon.aws
	@touch $@

matrix: setup ## Run the tests on every ansible-core and amazon.aws that is supported, into docs/compatibility.md
	@PYTHONPATH=tests:bench $(BIN)/python tests/matrix/run.py $(CORES)

screens: setup ## Write the golden screens of the terminal, and the README's picture of one
	@PYTHONPATH=tests $(BIN)/python tests/screens/write.py

clean: ## Remove .venv, caches and artifacts
	rm -rf $(VENV) .cache .pytest_cache .ruff_cache .hypothesis .ansible artifacts
