"""What travels between rooms: Prompt → Completion → Group → Sample. Plain, frozen, and free of any library's objects.

A *group* is one prompt with its `num_generations` completions and the verdicts on each. The algorithm turns groups
into *samples*: token ids with the advantage that weighs them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rewards.verdict import Verdict

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row of data, ready to be sampled from.

    id: stable hash of the rendered text and the columns; the same row has the same id in every run.
    text: the rendered prompt, exactly what `token_ids` encode.
    token_ids: the prompt's tokens, with at most one beginning-of-sequence token.
    messages: the conversation, where the row was conversational; rewards then see completions as messages (TRL's
        convention).
    columns: every other column of the row, by name; `solution` is the reference answer where there is one.
    asked: the row's own prompt, text or messages, before the template, system message and examples.
    source: name of the source it comes from, where a stage mixes several.
    """

    id: str
    text: str
    token_ids: tuple[int, ...]
    columns: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Mapping[str, str], ...] | None = None
    asked: str | tuple[Mapping[str, Any], ...] = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled continuation.

    sample: index within the group, 0 ≤ sample < num_generations.
    token_ids: the sampled tokens, including the end-of-sequence token where one was sampled.
    logprobs: log-probability of each sampled token under the distribution really sampled from (after temperature,
        top-p, top-k, min-p); same length as `token_ids`.
    text: for rewards and people: decoded without end-of-sequence tokens, with think tags kept even where they are
        special tokens.
    finish_reason: `stop` (end of sequence or a stop string) or `length` (truncated at max_completion_length).
    weight_version: version of the policy's weights that sampled it.
    """

    prompt_id: str
    sample: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    finish_reason: FinishReason
    weight_version: int


@dataclass(frozen=True, slots=True)
class Group:
    """One prompt, its completions, and per completion one verdict for each reward by name (same order)."""

    prompt: Prompt
    completions: tuple[Completion, ...]
    verdicts: tuple[Mapping[str, Verdict], ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion as the trainer sees it.

    advantage: weight of every token of this completion in the policy gradient.
    counted: False leaves the sample out of every denominator (unjudged completions; truncated ones where the recipe
        masks them). Such a sample has no gradient either.
    """

    prompt_id: str
    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    sampling_logprobs: tuple[float, ...]
    advantage: float
    counted: bool = True
