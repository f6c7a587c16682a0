"""Held-out evaluation of a policy through the run's own engine, with its own sampling."""

from collections.abc import Sequence

from accelerate import Accelerator

from grpo.recipe.fields import Evaluate, Sampling
from grpo.recipe.sampled_stages import Benchmark
from grpo.records import Group, Prompt
from grpo.rollout.engine import Engine
from grpo.scoring.scorer import Scorer
from grpo.stages.evaluation import accuracy
from grpo.stages.groups import sampled_groups


class HeldOut:
    """The same prompts and the same seeds at every evaluation, so that two evaluations differ by the policy alone."""

    def __init__(
        self,
        settings: Evaluate | Benchmark,
        prompts: Sequence[Prompt],
        scorer: Scorer,
        seed: int,
        *,
        default_length: int = 0,
    ) -> None:
        self.settings, self.prompts, self.scorer, self.seed = settings, list(prompts), scorer, seed
        self.max_completion_length = settings.max_completion_length or default_length
        self.labels = [reward.label for reward in settings.rewards]

    def measure(self, engine: Engine, accelerator: Accelerator) -> tuple[dict[str, float], list[Group]]:
        """The sampled groups, and metrics under `eval/`: the first reward's bare, the others' under their label, greedy
        decoding's under `eval/greedy/`."""
        sampled = self._groups(engine, accelerator, self._sampling(self.settings.temperature), self._samples)
        metrics = self._named(sampled, "eval/")
        lengths = [len(completion.token_ids) for group in sampled for completion in group.completions]
        ended = [c.finish_reason == "stop" for group in sampled for c in group.completions]
        metrics["eval/completions/mean_length"] = sum(lengths) / len(lengths)
        metrics["eval/completions/clipped_ratio"] = 1.0 - sum(ended) / len(ended)
        if self._also_greedy:
            greedy = self._groups(engine, accelerator, self._sampling(0.0), 1)
            metrics |= self._named(greedy, "eval/greedy/")
        return metrics, sampled

    @property
    def described(self) -> str:
        """What one evaluation samples, for people."""
        greedy = " and once greedily" if self._also_greedy else ""
        return f"{len(self.prompts):,} held-out prompts, {self._samples} samples each{greedy}"

    def closing_lines(self, first: dict[str, float], last: dict[str, float]) -> list[str]:
        """What a person wants to read at the end: accuracy before and after."""
        lines = []
        for label, prefix in self._prefixes("eval/"):
            before, after = first.get(f"{prefix}pass@1"), last.get(f"{prefix}pass@1")
            if before is None or after is None:
                continue
            interval = f"[{last[f'{prefix}pass@1_low']:.1%}, {last[f'{prefix}pass@1_high']:.1%}]"
            lines.append(
                f"held-out accuracy by {label}: {before:.1%} before, {after:.1%} after, 95 % interval {interval} "
                f"({len(self.prompts)} prompts × {self._samples} samples at temperature {self.settings.temperature:g})"
            )
        return lines

    @property
    def _also_greedy(self) -> bool:
        return self.settings.greedy and self.settings.temperature > 0

    @property
    def _samples(self) -> int:
        return self.settings.num_generations if self.settings.temperature > 0 else 1

    def _sampling(self, temperature: float) -> Sampling:
        changed = {"temperature": temperature, "max_completion_length": self.max_completion_length}
        fields = {name: getattr(self.settings, name) for name in Sampling.model_fields}
        return Sampling(**(fields | changed))

    def _groups(self, engine: Engine, accelerator: Accelerator, sampling: Sampling, samples: int) -> list[Group]:
        return sampled_groups(self.scorer, engine, accelerator, self.prompts, sampling, samples, (self.seed,))

    def _prefixes(self, prefix: str) -> list[tuple[str, str]]:
        return [(label, prefix if index == 0 else f"{prefix}{label}/") for index, label in enumerate(self.labels)]

    def _named(self, groups: Sequence[Group], prefix: str) -> dict[str, float]:
        return {
            f"{place}{name}": value
            for label, place in self._prefixes(prefix)
            for name, value in accuracy(groups, label).items()
        }
