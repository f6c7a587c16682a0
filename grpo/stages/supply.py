"""The prompts of an `rl` stage: what its sources hold, and which of them each round of sampling takes."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from grpo.data.order import Cursor, interleaved, shares, take
from grpo.errors import UserError
from grpo.models.reading import Reads
from grpo.recipe.mixture import most_prompts, source_key
from grpo.recipe.schedule import mixture_at
from grpo.recipe.trained_stages import RLStage
from grpo.records import Prompt
from grpo.scoring.scorer import Scorer
from grpo.seeds import derive_seed
from grpo.stages.prompts import load_data, readable
from grpo.stages.stage import StageInputs


class Supply:
    """prompts: by source, in the order of its rows. What the next draw takes depends on the step, on the number of
    draws before it and on how far each source was taken: `state` is both of these."""

    def __init__(self, settings: RLStage, inputs: StageInputs, prompts: Mapping[str, list[Prompt]]) -> None:
        check_enough(settings, {name: len(found) for name, found in prompts.items()}, inputs.where(""))
        self.prompts = prompts
        self._settings, self._seed = settings, derive_seed(inputs.seed, inputs.name, "order")
        self._draws = 0
        self._cursors = dict.fromkeys(prompts, Cursor())

    def draw(self, step: int) -> list[Prompt]:
        """The prompts of the next round, sources mixed as they are in step `step` (from 1)."""
        numbers = shares(mixture_at(self._settings, step), self._settings.prompts_per_step, self._draws)
        self._draws += 1
        drawn = {name: iter(self._take(name, number)) for name, number in numbers.items() if number}
        return [next(drawn[name]) for name in interleaved(numbers)]

    @property
    def state(self) -> dict[str, Any]:
        """Plain data, for a checkpoint."""
        return {"draws": self._draws, "cursors": {name: asdict(cursor) for name, cursor in self._cursors.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._draws = state["draws"]
        self._cursors = {
            name: Cursor(each["epoch"], each["place"], tuple((place, index) for place, index in each["moved"]))
            for name, each in state["cursors"].items()
        }

    def __iter__(self) -> Iterator[Prompt]:
        """Every prompt of every source."""
        return (prompt for found in self.prompts.values() for prompt in found)

    def _take(self, name: str, number: int) -> list[Prompt]:
        prompts = self.prompts[name]
        seed = derive_seed(self._seed, name) if name else self._seed
        shuffle = self._settings.sources[name].data.shuffle
        chosen, self._cursors[name] = take(self._cursors[name], number, len(prompts), seed=seed, shuffle=shuffle)
        return [prompts[index] for index in chosen]


def load_prompts_of(settings: RLStage, inputs: StageInputs, policy: Reads, scorer: Scorer) -> dict[str, list[Prompt]]:
    """The prompts of every source that fit and whose references can be read. In a mixture they know their source."""
    found = {}
    for name, source in settings.sources.items():
        key = f"{source_key(name)}data"
        loaded = load_data(source.data, inputs, key, policy, settings.longest_completion_length)
        prompts = [replace(each, id=f"{name}:{each.id}", source=name) if name else each for each in loaded.prompts]
        loaded = replace(loaded, prompts=prompts)
        found[name] = readable(loaded, scorer, source.data, inputs.where(key)).prompts
    return found


def check_enough(settings: RLStage, counts: Mapping[str, int], where: str) -> None:
    """Raises UserError where a step takes more prompts of a source than it has. counts: by source, of those known.
    where: the stage, with a dot behind it."""
    for name, most in most_prompts(settings).items():
        if name in counts and most > counts[name]:
            source = f" of source {name!r}" if name else ""
            raise UserError(
                f"a step takes {most} prompts{source}, and the data has {counts[name]}",
                where=f"{where}prompts_per_step",
                advice="Lower prompts_per_step, or give more data.",
            )
