# make demo · make test · make lint · make use PRESET=reef · make params
# `make use` alone lists the presets; `make params` restores the comments of params.yaml, with its values.
# Each sets up .venv first if it is missing. PYTHON chooses the interpreter: make demo PYTHON=python3.13

PYTHON ?= python3
PRESET ?=
VENV := .venv
BIN := $(VENV)/bin
# DVC runs stages as `python -m stages.…`: the interpreter of .venv must come first in PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test lint use params
.DEFAULT_GOAL := demo

demo: $(VENV)/.runtime
	@dvc repro
	@echo
	@echo "Done. Open reports/report.html to see what the model gets right and wrong. submission.csv has the answers,"
	@echo "metrics.json says how good they are, reports/predictions.csv gives a probability at each rank, and bundle/ is the"
	@echo "model, ready to use. The frames are in data/raw/train/images/, the animals in data/crops/train/rois/."
	@echo
	@echo "Identify one of them:   .venv/bin/fathomline predict bundle data/crops/test/rois/1_1.png --output answers.csv"
	@echo "or in your browser:     .venv/bin/fathomline serve bundle"
	@echo "The README says what to do next."

test: $(VENV)/.development
	python -m pytest

lint: $(VENV)/.development
	ruff check .
	ruff format --check .
	mypy

use: $(VENV)/.runtime
	@python -m stages.params $(if $(PRESET),"presets/$(PRESET).yaml")

params: $(VENV)/.runtime
	@python -m stages.params --restore

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	  sys.exit(0 if (3, 11) <= v <= (3, 13) else "fathomline needs Python 3.11 to 3.13, and $(PYTHON) is %d.%d; say which to use: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.txt | $(VENV)/bin/python
	@echo "Installing requirements.txt into $(VENV): a few minutes, once."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.development: requirements-dev.txt requirements.txt | $(VENV)/bin/python
	@echo "Installing requirements-dev.txt into $(VENV): a few minutes, once."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@ $(VENV)/.runtime
