"""A policy's figures on benchmarks: each sampled, judged and written before the next begins.

    benchmarks/gsm8k.json        figures
    completions/gsm8k.jsonl.gz   every completion with its verdicts

A run that was stopped goes on with the first benchmark that has no figures.
"""

import json
from collections.abc import Mapping
from contextlib import ExitStack

from grpo.atomic import write_atomic
from grpo.recipe.sampled_stages import Benchmark, EvaluateStage
from grpo.records import Prompt
from grpo.rollout.engine import Engine
from grpo.scoring.scorer import Scorer
from grpo.seeds import derive_seed
from grpo.stages.held_out import HeldOut
from grpo.stages.sampled_rows import write_groups
from grpo.stages.sampling_rooms import SamplingRooms
from grpo.stages.stage import StageInputs, StageResult

FIGURES, COMPLETIONS = "benchmarks", "completions"
PREFIX = "eval/"


def run(settings: EvaluateStage, inputs: StageInputs) -> StageResult:
    """Raises UserError for data and rewards that do not fit, before anything is sampled."""
    (inputs.folder / FIGURES).mkdir(parents=True, exist_ok=True)
    places = {name: inputs.folder / FIGURES / f"{name}.json" for name in settings.benchmarks}
    with ExitStack() as closing:
        rooms = SamplingRooms(settings, inputs, closing)
        missing = {name: each for name, each in settings.benchmarks.items() if not places[name].exists()}
        # all of them, so that the engine is the same whichever are missing
        opened = {name: _open(rooms, name, each) for name, each in settings.benchmarks.items()} if missing else {}
        engine = _engine(rooms, settings.benchmarks, opened) if missing else None
        for name, benchmark in missing.items():
            assert engine is not None
            prompts, scorer = opened[name]
            held_out = HeldOut(benchmark, prompts, scorer, derive_seed(inputs.seed, "evaluate", name))
            figures, groups = held_out.measure(engine, rooms.accelerator)
            if rooms.accelerator.is_main_process:
                write_groups(inputs.folder / COMPLETIONS / f"{name}.jsonl.gz", 0, groups)
                named = {key.removeprefix(PREFIX): value for key, value in figures.items()}
                write_atomic(places[name], (json.dumps(named, indent=1, sort_keys=True) + "\n").encode())
        rooms.accelerator.wait_for_everyone()
    found = {name: json.loads(place.read_text()) for name, place in places.items()}
    metrics = {f"{name}.{figure}": value for name, figures in found.items() for figure, value in figures.items()}
    return StageResult(None, metrics, tuple(_line(inputs.name, name, figures) for name, figures in found.items()))


def _open(rooms: SamplingRooms, name: str, benchmark: Benchmark) -> tuple[list[Prompt], Scorer]:
    key = f"benchmarks.{name}."
    return rooms.prompts(benchmark.data, benchmark.rewards, key, benchmark.max_completion_length)


def _engine(
    rooms: SamplingRooms, benchmarks: Mapping[str, Benchmark], opened: Mapping[str, tuple[list[Prompt], Scorer]]
) -> Engine:
    longest = max(len(prompt.token_ids) for prompts, _ in opened.values() for prompt in prompts)
    return rooms.engine(longest, max(benchmark.max_completion_length for benchmark in benchmarks.values()))


def _line(stage: str, benchmark: str, figures: Mapping[str, float]) -> str:
    if "pass@1" not in figures:
        return f"{stage}: {benchmark}: nothing could be judged"
    interval = f"95 % interval [{figures['pass@1_low']:.1%}, {figures['pass@1_high']:.1%}]"
    others = [f"{name} {value:.1%}" for name, value in sorted(figures.items()) if _shown(name)]
    return f"{stage}: {benchmark}: pass@1 {figures['pass@1']:.1%}, {', '.join([interval, *others])}"


def _shown(figure: str) -> bool:
    name = figure.rpartition("/")[2]
    return figure != "pass@1" and name.startswith(("pass@", "maj@")) and not name.endswith(("_low", "_high"))
