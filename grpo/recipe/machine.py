"""What this machine would compute with, from files of the system alone, and how fast it is taken to be."""

import os
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Speeds:
    """Floating-point operations a second that training and sampling reach, and tokens a second that sampling does not
    exceed however small the model: each token is a step of the engine."""

    training: float
    sampling: float
    most_tokens: float


@dataclass(frozen=True)
class Machine:
    """name: for people. speeds: None for a card that is not known. advice: a setting that would be much faster."""

    name: str
    speeds: Speeds | None
    advice: str | None = None
    is_accelerator: bool = False


# Measured per CPU core: a 135M model in bf16 with matrix extensions and in fp32 with AVX2, a 2M model for the tokens;
# in bf16 without instructions for it, products of the 135M model's sizes, 8 times slower than in fp32.
BF16_CORE, FP32_CORE, EMULATED_CORE = (
    Speeds(190e9, 90e9, 4000),
    Speeds(45e9, 25e9, 3000),
    Speeds(6e9, 5e9, 1000),
)
BF16_FLAGS = {"amx_bf16", "avx512_bf16", "bf16"}
SLOW_BF16 = "this CPU has no bf16 instructions: model.dtype=float32 computes about 8 times faster here"

# Shares of an accelerator's peak: what is usual.
TRAINING_SHARE, SAMPLING_SHARE, ACCELERATOR_TOKENS = 0.30, 0.05, 50e3
# Dense bf16 peak by a part of the card's name, larger names first.
PEAKS = {"B200": 2.2e15, "H200": 9.9e14, "H100": 9.9e14, "A100": 3.1e14, "L40": 1.8e14, "4090": 1.6e14, "A10": 1.2e14}


def this_machine(dtype: str) -> Machine:
    """The accelerator if there is one, else the CPU's cores, computing in `dtype` ("bfloat16" or "float32")."""
    cards = [card.read_text() for card in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))]
    return accelerator(cards[0]) if cards else cpu(len(os.sched_getaffinity(0)), _cpu_flags(), dtype)


def accelerator(information: str) -> Machine:
    """From the driver's description of a card."""
    name = next((line.partition(":")[2].strip() for line in information.splitlines() if "Model" in line), "NVIDIA GPU")
    peak = next((value for part, value in PEAKS.items() if part in name), None)
    if peak is None:
        return Machine(name, None, is_accelerator=True)
    speeds = Speeds(peak * TRAINING_SHARE, peak * SAMPLING_SHARE, ACCELERATOR_TOKENS)
    return Machine(name, speeds, is_accelerator=True)


def cpu(cores: int, flags: Set[str], dtype: str) -> Machine:
    """From the number of cores and the kernel's flags of the processor."""
    emulated = dtype == "bfloat16" and not flags & BF16_FLAGS
    core = FP32_CORE if dtype == "float32" else EMULATED_CORE if emulated else BF16_CORE
    speeds = Speeds(cores * core.training, cores * core.sampling, cores * core.most_tokens)
    return Machine(f"{cores} CPU cores", speeds, SLOW_BF16 if emulated else None)


def _cpu_flags() -> Set[str]:
    """Of the first processor; x86 calls them flags, Arm features."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(
        next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "").split()
    )
