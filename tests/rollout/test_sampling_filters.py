"""Filters against distributions worked by hand, and against brute force."""

import math

import pytest
import torch

from grpo.recipe.fields import Sampling
from grpo.rollout.sampling_filters import draw, sampling_logprobs

PROBABILITIES = [0.5, 0.25, 0.15, 0.1]
LOGITS = torch.tensor([PROBABILITIES]).log()


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), [0.5, 0.25, 0.15, 0.1]),
        (Sampling(top_k=2), [2 / 3, 1 / 3, 0, 0]),
        (Sampling(top_p=0.7), [2 / 3, 1 / 3, 0, 0]),
        (Sampling(top_p=0.05), [1, 0, 0, 0]),
        (Sampling(min_p=0.4), [2 / 3, 1 / 3, 0, 0]),
        # top-p sees what top-k left: 2/3 alone reaches 0.6
        (Sampling(top_k=2, top_p=0.6), [1, 0, 0, 0]),
        (Sampling(temperature=0.5), [0.25 / 0.345, 0.0625 / 0.345, 0.0225 / 0.345, 0.01 / 0.345]),
    ],
)
def test_kept_tokens_are_renormalised(sampling: Sampling, expected: list[float]) -> None:
    assert sampling_logprobs(LOGITS, sampling)[0].exp().tolist() == pytest.approx(expected, abs=1e-6)


def test_filtered_tokens_have_no_probability_at_all() -> None:
    assert sampling_logprobs(LOGITS, Sampling(top_k=1))[0].tolist() == [0.0, -math.inf, -math.inf, -math.inf]


def test_draw_inverts_the_cumulative_distribution() -> None:
    logprobs = LOGITS.expand(5, -1)
    assert draw(logprobs, torch.tensor([0.0, 0.499, 0.501, 0.76, 0.999])).tolist() == [0, 0, 1, 2, 3]


def test_draw_never_takes_a_filtered_token() -> None:
    logprobs = torch.tensor([[0.0, 0.5, 0.0, 0.5, 0.0]]).log().expand(3, -1)
    assert draw(logprobs, torch.tensor([0.0, 0.5, 1 - 2**-24])).tolist() == [1, 3, 3]
