# Every target works on a fresh machine that has Python >= 3.11: the first run makes .venv and installs what
# that target needs. The plain command is the last line of each recipe, without the `.venv/bin/`.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: serve test quick check format bench chaos audit release docs pictures fuzz constraints translations
# Two targets at once would run two pips in one environment.
.NOTPARALLEL:
# The tests start thousands of processes: each would compile the whole package anew.
unexport PYTHONDONTWRITEBYTECODE
# Continuous integration takes the same versions each time; everybody else takes the newest.
ifeq ($(CI),true)
export PIP_CONSTRAINT := $(CURDIR)/.ci/constraints.txt
endif

serve: .venv/example.stamp
	$(BIN)/pserve development.ini

test: .venv/test.stamp
	$(BIN)/pytest -n auto

quick: .venv/test.stamp
	$(BIN)/pytest -n auto -m "not slow" --ignore tests/client --ignore tests/steady

check: .venv/check.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell

format: .venv/check.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/test.stamp
	$(BIN)/python -m benchmarks

# A whole service under load, with one disturbance after the other: a quarter of an hour. Needs PostgreSQL and redis-server.
chaos: .venv/test.stamp
	$(BIN)/python -m benchmarks.chaos.service

# Known vulnerabilities and faults of workflow files; needs the network.
audit: .venv/release.stamp
	PATH="$(CURDIR)/$(BIN):$$PATH" .ci/audit

# What is published, in dist/.
release: .venv/release.stamp
	PATH="$(CURDIR)/$(BIN):$$PATH" .ci/release

fuzz: .venv/fuzz.stamp
	$(BIN)/python -m fuzz --seconds 1200

docs: .venv/docs.stamp
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

# The pictures of the documentation, from the running example in Chromium.
pictures: .venv/test.stamp
	$(BIN)/python docs/_ext/pictures.py

# Makes the catalogues of the pages again, from the templates: new texts are added to each language, and all are compiled.
LOCALE := pyramid_oauthguard/server/locale
EXAMPLE := example_app/locale
translations: .venv/test.stamp
	$(BIN)/pybabel -q extract -F pyproject.toml --omit-header --add-location=file --sort-by-file --no-wrap -o $(LOCALE)/pyramid_oauthguard.pot pyramid_oauthguard/server/templates
	$(BIN)/pybabel -q update --ignore-obsolete --no-wrap --no-fuzzy-matching -D pyramid_oauthguard -i $(LOCALE)/pyramid_oauthguard.pot -d $(LOCALE)
	$(BIN)/pybabel -q compile -D pyramid_oauthguard -d $(LOCALE)
	$(BIN)/pybabel -q extract -F pyproject.toml --omit-header --add-location=file --sort-by-file --no-wrap -o $(EXAMPLE)/example_app.pot example_app/templates
	$(BIN)/pybabel -q update --ignore-obsolete --no-wrap --no-fuzzy-matching -D example_app -i $(EXAMPLE)/example_app.pot -d $(EXAMPLE)
	$(BIN)/pybabel -q compile -D example_app -d $(EXAMPLE)
	$(BIN)/pybabel -q compile -D pyramid_oauthguard -d $(EXAMPLE)

# Finds the versions for continuous integration again: the newest of everything, in an environment that has nothing else.
constraints:
	$(PYTHON) -m venv --clear .cache/constraints
	PIP_CONSTRAINT= .cache/constraints/bin/pip install --quiet --disable-pip-version-check --editable '.[dev,fuzz,release]'
	.cache/constraints/bin/pip freeze --exclude-editable >.ci/constraints.txt

# One stamp for each extra of pyproject.toml.
.venv/%.stamp: pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@
