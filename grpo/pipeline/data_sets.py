"""The sets of rows that a stage reads, each with what judges it and the length that must fit."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grpo.filters import rewards_of
from grpo.recipe.fields import Data, Reward
from grpo.recipe.mixture import distinct, source_key
from grpo.recipe.sampled_stages import EvaluateStage, SampleStage
from grpo.recipe.schema import Stage
from grpo.recipe.trained_stages import RLStage, SFTStage
from grpo.stages.stage import Given


@dataclass(frozen=True)
class DataSet:
    """key: in the stage, such as `evaluate.data`. rewards: None for rows with completions (`sft`). tokens: of the
    longest completion, or of a whole sequence where there are completions. limit: the recipe key that says so.
    rows: given from Python in place of the source. trains: whether the policy learns from it."""

    stage: str
    key: str
    data: Data
    rewards: tuple[Reward, ...] | None
    tokens: int
    limit: str
    rows: Iterable[Mapping[str, Any]] | None = None
    trains: bool = False

    @property
    def where(self) -> str:
        """The key's full path."""
        return f"stages.{self.stage}.{self.key}"

    @property
    def around(self) -> str:
        """The full path of the mapping that holds data and rewards."""
        return self.where.removesuffix(".data")


def data_sets(name: str, stage: Stage, given: Given) -> list[DataSet]:
    return list(_sets(name, stage, given))


def _sets(name: str, stage: Stage, given: Given) -> Iterator[DataSet]:
    where = f"stages.{name}"
    match stage:
        case SFTStage():
            for key, data in stage.parts.items():
                yield DataSet(name, key, data, None, stage.max_length, f"{where}.max_length", trains=True)
        case RLStage():
            limit = f"{where}.max_completion_length"
            for source, part in stage.sources.items():
                key, tokens = f"{source_key(source)}data", stage.longest_completion_length
                judges = distinct((*stage.rewards, *part.rewards))
                yield DataSet(name, key, part.data, judges, tokens, limit, given.rows_of(key), trains=True)
            if (held_out := stage.evaluate) is not None:
                own = held_out.max_completion_length
                tokens, place = (own, f"{where}.evaluate.max_completion_length") if own else (
                    stage.max_completion_length, limit)  # fmt: skip
                rows = given.rows_of("evaluate.data")
                yield DataSet(name, "evaluate.data", held_out.data, held_out.rewards, tokens, place, rows)
        case SampleStage():
            rewards = (*stage.rewards, *rewards_of(stage.keep))
            limit = f"{where}.max_completion_length"
            yield DataSet(name, "data", stage.data, rewards, stage.max_completion_length, limit)
        case EvaluateStage():
            for each, benchmark in stage.benchmarks.items():
                key, limit = f"benchmarks.{each}.data", f"{where}.benchmarks.{each}.max_completion_length"
                yield DataSet(name, key, benchmark.data, benchmark.rewards, benchmark.max_completion_length, limit)
