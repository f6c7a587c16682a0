"""One small step to record: two groups of two completions."""

from types import SimpleNamespace

from grpo.records import Completion, Group, Prompt
from rewards.verdict import Verdict, scored


def completion(prompt_id: str, sample: int, text: str, tokens: int = 3, finish: str = "stop") -> Completion:
    return Completion(prompt_id, sample, tuple(range(tokens)), (-0.5,) * tokens, text, finish, weight_version=4)  # type: ignore[arg-type]


def groups() -> list[Group]:
    sums = Prompt("p1", "1 + 1 =", (7, 8), columns={"solution": "2", "table": object()})
    easy = Prompt("p2", "0 + 0 =", (7,), columns={})
    return [
        Group(
            sums,
            (completion("p1", 0, "2"), completion("p1", 1, "3\x1b[31m", 5, "length")),
            ({"math": scored(1.0, "2 = 2")}, {"math": Verdict("timeout", detail="5 s", seconds=5.01)}),
        ),
        Group(
            easy,
            (completion("p2", 0, "0"), completion("p2", 1, "[bold]4")),
            ({"math": scored(1.0)}, {"math": scored(0.0)}),
        ),
    ]


ADVANTAGES = SimpleNamespace(advantages=[[0.0, 0.0], [0.7, -0.7]], rewards=[[1.0, None], [1.0, 0.0]])
METRICS = {"reward": 2 / 3, "reward_std": 0.5, "completion_tokens": 14.0, "completions/clipped_ratio": 0.25}
SECONDS = {"sample": 3.0, "update": 4.0, "save": 100.0}
