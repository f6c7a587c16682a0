"""Prompts to groups: sample, judge while sampling goes on, gather. What every stage that samples does alike."""

from collections.abc import Sequence

from accelerate import Accelerator

from grpo.models.reading import Reads
from grpo.recipe.fields import Rollout, Sampling
from grpo.records import Group, Prompt
from grpo.rollout.engine import Engine, Request
from grpo.rollout.open import open_engine
from grpo.scoring.scorer import Scorer
from grpo.seeds import derive_seed
from grpo.stages.processes import gather_groups, share
from grpo.stages.stage import StageInputs

Place = tuple[int | str, ...]
"""Where in a run completions are sampled: with the prompt and the sample's number, what their seeds are made of."""


def engine_for(
    rollout: Rollout,
    inputs: StageInputs,
    policy: Reads,
    accelerator: Accelerator,
    longest_prompt: int,
    longest_completion: int,
) -> Engine:
    """The engine with the weights that the stage starts from; lengths in tokens."""
    longest = longest_prompt + longest_completion + 1
    return open_engine(
        rollout,
        model=inputs.model,
        folder=inputs.policy_path,
        tokenizer=policy.tokenizer,
        eos_ids=policy.eos_ids,
        max_model_len=min(longest, policy.context_length or longest),
        seed=inputs.seed,
        world_size=accelerator.num_processes,
    )


def sample_into(
    scorer: Scorer,
    engine: Engine,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    samples: int,
    place: Place,
    step: int = 0,
) -> None:
    """`samples` completions of each of this process's prompts; each goes to the scorer as it finishes."""
    scorer.begin(prompts, step)
    requests = [
        Request(prompt, sample, derive_seed(*place, prompt.id, sample))
        for prompt in prompts
        for sample in range(samples)
    ]
    for completion in engine.generate(requests, sampling):
        scorer.submit(completion)


def sampled_groups(
    scorer: Scorer,
    engine: Engine,
    accelerator: Accelerator,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    samples: int,
    place: Place,
) -> list[Group]:
    """The prompts shared out over the processes, sampled and judged: all groups, in the order of the prompts."""
    mine = share(prompts, accelerator.process_index, accelerator.num_processes)
    sample_into(scorer, engine, mine, sampling, samples, place)
    return gather_groups(scorer.finish(), accelerator)
