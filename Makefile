# Every target sets up what it needs by itself: nothing to install, nothing to activate. `make help` lists them.
#
#   make demo                          first look: real prices, a backtest, a query, a sweep
#   make test PYTEST_ARGS="-k rsi"     arguments go to pytest
#   make demo PYTHON=/path/to/python   another Python (3.12 or newer)

VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
PYTEST := $(BIN)/python -m pytest
MEASURED := $(BIN)/coverage run -m pytest
PYTEST_ARGS ?=
# Two processes share the tests of a part, each with servers of its own.
BOTH := --numprocesses 2 --dist worksteal
# In a process of their own, with nothing beside it: the driver of a browser switches between stacks, and one test looks at
# the clock on the wall. The other tests run in several processes too: one for all of them crashed under Python 3.12.1,
# late and for a reason that is not known.
ALONE := tests/integration/test_report_in_browser.py tests/distribution/test_import_time.py
# What has nothing to do with kernels, or reaches them through what is tested here anyway, is left out.
FAR_FROM_KERNELS := audit batches budget cli_* company_* ingest_* lake_* lambda_* machine market noise_* notebook_* passport \
	price_files quality report* resampling review sessions settings stress symbol_* trials yahoo
KERNEL_TESTS := kernels tests/unit tests/laws $(foreach name,$(FAR_FROM_KERNELS),--ignore-glob='*/test_$(name).py')

# Every process would compile the library anew, and rewrite the assertions of all its tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

# --- what people type ---------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.installed-demo ## Run the demonstration: real prices, a backtest, a query, a sweep
	@$(BIN)/stockstream demo

.PHONY: install
install: $(VENV)/.installed-dev ## Set up .venv with everything for development

# Runs parts one after the other, and fails where one did. 5: the arguments chose none of a part.
define each_part
@result=0; \
for part in $(2); do \
	$(1) $$part $(PYTEST_ARGS); code=$$?; \
	case $$code in 0 | 5) ;; *) result=$$code ;; esac; \
done; \
exit $$result
endef
LAWS := "tests/laws $(BOTH)"
UNITS := "tests/unit kernels stockstream $(BOTH)"

.PHONY: test
test: $(VENV)/.installed-dev ## Run every test but the slow ones
	$(call each_part,$(PYTEST),"tests/distribution tests/integration $(ALONE:%=--ignore=%) $(BOTH)" $(LAWS) $(UNITS) "$(ALONE)")

.PHONY: test-unit
test-unit: $(VENV)/.installed-dev ## Run the unit tests, the laws and the examples in the docstrings
	$(PYTEST) tests/unit tests/laws kernels stockstream $(BOTH) $(PYTEST_ARGS)

.PHONY: test-slow
test-slow: $(VENV)/.installed-dev ## Run the slow tests only
	$(PYTEST) -m slow $(PYTEST_ARGS)

.PHONY: test-jit-off
test-jit-off: $(VENV)/.installed-dev ## Run the kernels' tests as plain Python
	NUMBA_DISABLE_JIT=1 $(PYTEST) $(KERNEL_TESTS) -m "not slow and not compiled" $(BOTH) $(PYTEST_ARGS)

# A warm cache silently ignores the flag, hence the fresh folder.
.PHONY: test-bounds
test-bounds: $(VENV)/.installed-dev ## Run the kernels' tests with every array index checked
	@cache=$$(mktemp -d) && trap 'rm -rf "$$cache"' EXIT && \
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR="$$cache" $(PYTEST) $(KERNEL_TESTS) $(BOTH) $(PYTEST_ARGS)

# Two passes, because coverage cannot see into compiled code: all tests, then the kernels as plain Python. The tests of the
# distribution look at what a process imports, and would find coverage there.
.PHONY: coverage
coverage: $(VENV)/.installed-dev ## Measure line coverage (floor in pyproject.toml); HTML in .coverage/html
	@rm -rf .coverage && mkdir -p .coverage
	$(call each_part,$(MEASURED),"tests/integration $(ALONE:%=--ignore=%) $(BOTH)" $(LAWS) $(UNITS))
	NUMBA_DISABLE_JIT=1 $(MEASURED) $(KERNEL_TESTS) -m "not slow and not compiled" $(BOTH) $(PYTEST_ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage html --quiet --fail-under=0
	@$(BIN)/coverage report
	@echo "Open .coverage/html/index.html"

.PHONY: lint
lint: lint-style lint-types lint-imports ## Check style, formatting, types and import directions

.PHONY: lint-style
lint-style: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: lint-types
lint-types: $(VENV)/.installed-dev
	$(BIN)/mypy

.PHONY: lint-imports
lint-imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports --no-logo --cache-dir .cache/import-linter

.PHONY: format
format: $(VENV)/.installed-dev ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The project's own pytest options skip benchmarks; here they are all that runs.
.PHONY: bench
bench: $(VENV)/.installed-bench ## Run the benchmarks; figures in benchmarks/results/benchmarks.json, tables in the documentation
	@mkdir -p benchmarks/results
	$(BIN)/python -m benchmarks.indicator_speed
	$(BIN)/python -m benchmarks.sweep_speed
	$(BIN)/python -m benchmarks.lake_speed
	$(PYTEST) benchmarks --override-ini addopts="--import-mode=importlib --strict-markers --strict-config" \
		--benchmark-only --benchmark-json=benchmarks/results/benchmarks.json $(PYTEST_ARGS)

.PHONY: docs
docs: $(VENV)/.installed-dev ## Write the generated pages and check the documentation: links, code, targets, examples
	$(BIN)/python -m docs.generate
	$(PYTEST) tests/distribution/test_documentation.py stockstream kernels $(PYTEST_ARGS)

.PHONY: site
site: $(VENV)/.installed-dev ## Build the documentation site into dist/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Open dist/site/index.html"

.PHONY: notebooks
notebooks: $(VENV)/.installed-dev ## Run the notebooks and keep them with their outputs in dist/notebooks
	$(BIN)/python -m docs.make_notebooks dist/notebooks

# --- the cloud -------------------------------------------------------------------------------------------------------

ARCH ?= x86_64
TERRAFORM := terraform -chdir=terraform

.PHONY: package-lambdas
package-lambdas: $(VENV)/.installed-dev ## Build the functions' packages into dist/lambdas (ARCH=arm64 for Graviton)
	$(BIN)/python -m lambdas.package --arch $(ARCH)

.PHONY: pin-lambdas
pin-lambdas: $(VENV)/.installed-dev ## Choose the newest versions for the functions' packages and write them down
	$(BIN)/python -m lambdas.package --pin

.PHONY: deploy
deploy: package-lambdas ## Deploy the pipeline with Terraform into the AWS account of your credentials
	$(TERRAFORM) init -input=false
	$(TERRAFORM) apply -var architecture=$(ARCH)

.PHONY: test-e2e
test-e2e: $(VENV)/.installed-e2e ## Deploy to a cloud on loopback with Terraform, run the pipeline there, destroy it
	$(PYTEST) tests/e2e -m "e2e and not slow" $(PYTEST_ARGS)

.PHONY: lint-terraform
lint-terraform: $(VENV)/.installed-e2e ## Check Terraform's form, its own tests, the state machine, and its security
	$(BIN)/python -m tests.e2e.checks

.PHONY: pictures
pictures: $(VENV)/.installed-dev ## Take the pictures of the README (needs Chromium); into docs/pictures
	$(BIN)/python -m docs.pictures

.PHONY: build
build: $(VENV)/.installed-dev ## Build the source distribution and the wheel into dist/
	@rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .

.PHONY: clean
clean: ## Remove what was built and cached (.venv stays: remove it by hand to set up anew)
	rm -rf dist build .cache .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-14s %s\n", $$1, $$2 }'

# --- set-up: once, and again only when pyproject.toml changes -------------------------------------------------------

NEW_ENOUGH := import sys; raise SystemExit(sys.version_info < (3, 12))

define NO_PYTHON
stockstream needs Python 3.12 or newer, and none was found (looked for: $(or $(PYTHON),$(CANDIDATES))).
Install one from https://www.python.org/downloads/, with `apt install python3.12-venv` or `brew install python@3.12`,
then run make again; or name the one you have: make demo PYTHON=/path/to/python3.12
endef
export NO_PYTHON

CANDIDATES := python3.12 python3.13 python3.14 python3 python

# A folder that is there and works is kept, whoever made it. uv reads .python-version; without that version, any that serves.
$(VENV)/.created:
	@if $(BIN)/python -c '$(NEW_ENOUGH)' 2>/dev/null; then touch $@; exit; fi; \
	if [ -n "$(UV)" ]; then \
		if [ -n "$(PYTHON)" ]; then uv venv --quiet --clear --python "$(PYTHON)" $(VENV); else \
		uv venv --quiet --clear $(VENV) 2>/dev/null || uv venv --quiet --clear --python '>=3.12' $(VENV); fi \
		|| { echo "$$NO_PYTHON" >&2; exit 1; }; \
	else \
		for python in $(or $(PYTHON),$(CANDIDATES)); do \
			if "$$python" -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then found=$$python; break; fi; \
		done; \
		if [ -z "$$found" ]; then echo "$$NO_PYTHON" >&2; exit 1; fi; \
		"$$found" -m venv --clear $(VENV) || exit 1; \
	fi; \
	$(BIN)/python -c '$(NEW_ENOUGH)' || { echo "$$NO_PYTHON" >&2; exit 1; }; \
	touch $@

ifdef UV
INSTALL := uv pip install --quiet --python $(BIN)/python
else
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check
endif

# An environment made by uv has no pip; where uv is gone since, Python brings its own.
define install
	@[ -n "$(UV)" ] || $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@echo "Setting up $(VENV) for $(1) with $(if $(UV),uv,pip): only now, and again when pyproject.toml changes."
	@$(INSTALL) --editable '.[$(2)]'
endef

$(VENV)/.installed-demo: pyproject.toml $(VENV)/.created
	$(call install,the demonstration,demo)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.created
	$(call install,development,dev)
	@touch $@ $(VENV)/.installed-demo

$(VENV)/.installed-e2e: pyproject.toml $(VENV)/.created
	$(call install,deployment tests,e2e)
	@touch $@ $(VENV)/.installed-dev $(VENV)/.installed-demo

$(VENV)/.installed-bench: pyproject.toml $(VENV)/.created
	$(call install,benchmarks,dev$(comma)bench)
	@touch $@ $(VENV)/.installed-dev $(VENV)/.installed-demo

comma := ,
