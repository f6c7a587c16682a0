"""Two gloo processes under `accelerate launch`: the same gradient as one process."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from grpo.recipe.schema import RLSettings
from grpo.training.update import Updater
from tests.training.cases import gradient, make_samples, policy_of, relative


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def launch(rank: int, port: int, arguments: list[str]) -> subprocess.Popen:
    """One `accelerate launch` a rank, told its place as a cluster's scheduler would: on a CPU it starts no others."""
    root = Path(__file__).parents[2]
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
    environment = {"MASTER_ADDR": "127.0.0.1", "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    return subprocess.Popen(
        [*command, str(Path(__file__).with_name("two_ranks.py")), *arguments],
        cwd=root,
        env=os.environ | environment | {name: str(value) for name, value in place.items()},
    )


@pytest.mark.parametrize(
    ("count", "shares"),
    [
        pytest.param(7, None, id="a group is split over the ranks"),
        pytest.param(1, [0, 1], id="one rank is empty"),
    ],
)
def test_two_ranks_give_the_gradient_of_one(folder: Path, tmp_path: Path, count: int, shares: list[int] | None) -> None:
    port = free_port()
    launched = [launch(rank, port, [str(folder), str(tmp_path), str(count)]) for rank in range(2)]
    for process in launched:
        assert process.wait(timeout=300) == 0
    ranks = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2)]
    taken = sorted(rank["samples"] for rank in ranks)
    assert sum(taken) == count and (taken == shares if shares else min(taken) > 0)
    one = Updater(policy_of(folder), RLSettings(steps=1, tokens_per_microbatch=64), total_updates=1)
    expected = gradient(one, make_samples(count))
    for rank in ranks:
        assert relative(rank["gradient"], expected) < 1e-6
