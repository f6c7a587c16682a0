"""Rejection sampling: completions of every prompt, judged, filtered, and the kept ones written as rows.

    samples/round_000001.jsonl.gz    every completion of a round with its verdicts: written whole, never sampled again
    data.jsonl                       what passed: prompt, completion, the row's columns, and `from`
    rejected.jsonl.gz                what did not, with the filter and its reason

A round is sampled from a cache of its own and from seeds of its own, so a run that was killed ends with the same bytes:
rounds that are on the disk stand, the one under way is sampled again. Filters see all rounds, at the end.
"""

import logging
from contextlib import ExitStack

from grpo.filters import check, rewards_of
from grpo.recipe.sampled_stages import SampleStage
from grpo.stages.groups import sampled_groups
from grpo.stages.sampled_rows import Sieve, round_file, write_round
from grpo.stages.sampling_rooms import SamplingRooms
from grpo.stages.stage import StageInputs, StageResult

log = logging.getLogger("grpo")


def run(settings: SampleStage, inputs: StageInputs) -> StageResult:
    """Sample what is not sampled yet, then filter and write. Raises UserError, and GuardError where rewards fail."""
    check(settings.keep, settings.rewards, inputs.where("keep"))
    with ExitStack() as closing:
        rooms = SamplingRooms(settings, inputs, closing)
        rewards = (*settings.rewards, *rewards_of(settings.keep))
        prompts, scorer = rooms.prompts(settings.data, rewards, "", settings.max_completion_length)
        sieve = Sieve(settings, inputs, prompts)  # what can be wrong with it is wrong before anything is sampled
        size = settings.prompts_per_round
        rounds = {number: prompts[start : start + size] for number, start in enumerate(range(0, len(prompts), size), 1)}
        missing = [number for number in rounds if not round_file(inputs.folder, number).exists()]
        place = (inputs.seed, inputs.name)
        if missing:
            longest = max(len(prompt.token_ids) for prompt in prompts)
            engine = rooms.engine(longest, settings.max_completion_length)
            for number in missing:
                log.info("%s: round %d of %d", inputs.name, number, len(rounds))
                groups = sampled_groups(
                    scorer, engine, rooms.accelerator, rounds[number], settings, settings.num_generations, place
                )
                if len(rounds[number]) == size or len(rounds) == 1:  # a last short round says little by itself
                    scorer.guard(groups)
                if rooms.accelerator.is_main_process:
                    write_round(inputs.folder, number, groups)
        rooms.accelerator.wait_for_everyone()
        result = sieve.result(list(rounds), write=rooms.accelerator.is_main_process)
        rooms.accelerator.wait_for_everyone()
        return result
