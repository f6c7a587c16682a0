"""The prompts of an `rl` stage: what its sources hold, and which of them each round of sampling takes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from random import Random
from typing import Any

from grpo.algorithm.history import History, learned
from grpo.algorithm.selection import Judge
from grpo.data.order import Cursor, interleaved, shares, take
from grpo.errors import UserError
from grpo.models.reading import Reads
from grpo.recipe.mixture import most_prompts, source_key
from grpo.recipe.schedule import mixture_at
from grpo.recipe.trained_stages import RLStage
from grpo.records import Group, Prompt
from grpo.scoring.scorer import Scorer
from grpo.seeds import derive_seed
from grpo.stages.prompts import load_data, readable
from grpo.stages.stage import StageInputs


class Supply:
    """prompts: by source, in the order of its rows. What the next draw takes depends on the step, on the number of
    draws before it, on how far each source was taken and, with `skip_flat`, on the groups so far: `state` is all that.
    """

    def __init__(self, settings: RLStage, inputs: StageInputs, prompts: Mapping[str, list[Prompt]]) -> None:
        check_enough(settings, {name: len(found) for name, found in prompts.items()}, inputs.where(""))
        self.prompts = prompts
        self._settings, self._seed = settings, derive_seed(inputs.seed, inputs.name, "order")
        self._draws = 0
        self._cursors = dict.fromkeys(prompts, Cursor())
        self._history = History.beginning(settings.skip_flat.explore) if settings.skip_flat else None
        self._skipped = 0

    def draw(self, step: int) -> list[Prompt]:
        """The prompts of the next round, sources mixed as they are in step `step` (from 1)."""
        numbers = shares(mixture_at(self._settings, step), self._settings.prompts_per_step, self._draws)
        self._draws += 1
        drawn = {name: iter(self._take(name, number)) for name, number in numbers.items() if number}
        return [next(drawn[name]) for name in interleaved(numbers)]

    def learn(self, groups: Sequence[Group], judge: Judge) -> dict[str, float]:
        """What a step's groups showed of their prompts. Returns what was skipped in it, and how much is explored now;
        nothing where nothing is skipped."""
        skipping = self._settings.skip_flat
        if self._history is None or skipping is None:
            return {}
        self._history = learned(self._history, groups, judge(groups), target=skipping.target, step=skipping.step)
        skipped, self._skipped = self._skipped, 0
        explored = {f"skip/explore_{kind}": p for kind, p in self._history.explore.items()}
        return {"skip/prompts": float(skipped), **explored}

    @property
    def state(self) -> dict[str, Any]:
        """Plain data, for a checkpoint."""
        cursors = {name: asdict(cursor) for name, cursor in self._cursors.items()}
        history = self._history and {"explore": dict(self._history.explore), "flat": dict(self._history.flat)}
        return {"draws": self._draws, "cursors": cursors, "history": history}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._draws = state["draws"]
        self._cursors = {
            name: Cursor(each["epoch"], each["place"], tuple((place, index) for place, index in each["moved"]))
            for name, each in state["cursors"].items()
        }
        if (history := state["history"]) is not None:
            flat = {name: (kind, times) for name, (kind, times) in history["flat"].items()}
            self._history = History(history["explore"], flat)

    def __iter__(self) -> Iterator[Prompt]:
        """Every prompt of every source."""
        return (prompt for found in self.prompts.values() for prompt in found)

    def _take(self, name: str, number: int) -> list[Prompt]:
        """The next `number` prompts of a source that are not skipped; where a whole epoch has too few of them, those
        skipped first make up for it."""
        prompts = self.prompts[name]
        seed = derive_seed(self._seed, name) if name else self._seed
        shuffle = self._settings.sources[name].data.shuffle
        looked_at: set[int] = set()
        chosen: list[Prompt] = []
        skipped: list[Prompt] = []
        while len(chosen) < number and len(looked_at) < len(prompts):
            wanted = min(number - len(chosen), len(prompts) - len(looked_at))
            indices, self._cursors[name] = take(
                self._cursors[name], wanted, len(prompts), seed=seed, shuffle=shuffle, avoid=looked_at
            )
            looked_at.update(indices)
            for index in indices:
                (skipped if self._skips(prompts[index]) else chosen).append(prompts[index])
        self._skipped += len(looked_at) - number
        return [*chosen, *skipped][:number]

    def _skips(self, prompt: Prompt) -> bool:
        if self._history is None:
            return False
        dice = Random(derive_seed(self._seed, "skip", self._draws, prompt.id)).random()
        return dice < self._history.skip_probability(prompt.id)


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
