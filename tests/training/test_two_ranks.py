"""Two gloo processes under `accelerate launch`: the same gradient as one process."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from grpo.recipe.rl_settings import RLSettings
from grpo.training.update import Updater
from tests.training.cases import make_samples, policy_of, relative

GROUP = 7
COUNTS = (GROUP, 1)


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


@pytest.fixture(scope="module")
def outcomes(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict]]:
    """Count of samples → what each of the two ranks ended with."""
    out, port = tmp_path_factory.mktemp("two ranks"), free_port()
    launched = [launch(rank, port, [str(folder), str(out), *map(str, COUNTS)]) for rank in range(2)]
    assert [process.wait(timeout=300) for process in launched] == [0, 0]
    return {count: [torch.load(out / f"count{count}_rank{rank}.pt") for rank in range(2)] for count in COUNTS}


@pytest.mark.parametrize("count", COUNTS)
def test_two_ranks_give_the_gradient_of_one(folder: Path, outcomes: dict[int, list[dict]], count: int) -> None:
    one = Updater(policy_of(folder), RLSettings(steps=1, tokens_per_microbatch=64, learning_rate=1e-3), total_updates=1)
    expected = one.gradient(make_samples(count), 20)
    figures = one.round(make_samples(count), 20)
    for rank in outcomes[count]:
        assert relative(rank["gradient"], expected) < 1e-6
        assert rank["figures"] == pytest.approx(figures, rel=1e-5, abs=1e-6)


def test_a_group_is_split_over_the_ranks_and_a_rank_may_be_empty(outcomes: dict[int, list[dict]]) -> None:
    assert all(rank["samples"] > 0 for rank in outcomes[GROUP])
    assert sum(rank["samples"] for rank in outcomes[GROUP]) == GROUP
    assert [rank["samples"] for rank in outcomes[1]] == [1, 0]


@pytest.mark.parametrize("count", COUNTS)
def test_both_ranks_hold_the_same_policy_bit_for_bit(outcomes: dict[int, list[dict]], count: int) -> None:
    first, second = (rank["weights"] for rank in outcomes[count])
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
    assert outcomes[count][0]["figures"] == outcomes[count][1]["figures"]
