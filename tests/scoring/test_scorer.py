"""From completions to groups with verdicts."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grpo.errors import GuardError, UserError
from grpo.recipe.fields import Reward
from grpo.records import Completion, Group, Prompt
from grpo.scoring import Scorer
from rewards import GroupReward, MathReward, RowReward, Verdict, scored
from rewards.length import length

ROOT = Path(__file__).resolve().parents[2]


def prompt(index: int, messages: bool = False, **columns: Any) -> Prompt:
    text = f"question {index}"
    return Prompt(
        id=f"p{index}",
        text=text,
        token_ids=(1, 2),
        columns={"solution": str(index), **columns},
        messages=({"role": "user", "content": text},) if messages else None,
    )


def completion(of: Prompt, sample: int, text: str) -> Completion:
    return Completion(of.id, sample, tuple(range(len(text))), (0.0,) * len(text), text, "stop", 0)


def score(scorer: Scorer, prompts: Sequence[Prompt], texts: Mapping[str, Sequence[str]], step: int = 0) -> list[Group]:
    """Submit in an order that is nobody's: last samples first, prompts interleaved."""
    scorer.begin(prompts, step)
    for sample in reversed(range(max(len(of_prompt) for of_prompt in texts.values()))):
        for each in reversed(prompts):
            scorer.submit(completion(each, sample, texts[each.id][sample]))
    groups = scorer.finish()
    scorer.guard(groups)
    return groups


def scores(groups: Sequence[Group], label: str) -> list[list[float | None]]:
    return [[verdicts[label].score for verdicts in group.verdicts] for group in groups]


def test_groups_come_in_prompt_order_and_completions_in_sample_order() -> None:
    prompts = [prompt(i) for i in range(3)]
    texts = {p.id: [f"so {i + k}" for k in range(4)] for i, p in enumerate(prompts)}
    scorer = Scorer([Reward(use="math"), Reward(use="format", weight=0.2)], 2, ROOT)
    try:
        for _ in range(2):
            groups = score(scorer, prompts, texts)
            assert [group.prompt.id for group in groups] == ["p0", "p1", "p2"]
            assert [[c.text for c in group.completions] for group in groups] == list(texts.values())
            assert scores(groups, "math") == [[1.0, 0.0, 0.0, 0.0]] * 3
            assert scores(groups, "format") == [[0.0] * 4] * 3
    finally:
        scorer.close()
    assert scorer.labels == ("math", "format")


def test_a_template_that_opened_the_reasoning_is_seen_by_format() -> None:
    opened = Prompt("p0", "User: 2? Assistant: <think>", (1,), {"solution": "2"})
    scorer = Scorer([Reward(use="format")], 1, ROOT)
    try:
        groups = score(
            scorer, [opened], {"p0": ["two</think> <answer>2</answer>", "<think>2</think> <answer>2</answer>"]}
        )
    finally:
        scorer.close()
    assert scores(groups, "format") == [[1.0, 0.0]]


def test_a_trl_function_is_called_once_with_every_row_in_group_order() -> None:
    calls: list[dict[str, Any]] = []

    def watch(**kwargs: Any) -> list[float]:
        calls.append(kwargs)
        kwargs["log_metric"]("seen", 12.0)
        kwargs["log_extra"]("note", [str(i) for i in range(4)])
        return [float(i) for i in range(4)]

    prompts = [prompt(7, level="easy"), prompt(8)]
    scorer = Scorer([Reward(use="watch")], 1, ROOT, functions={"watch": watch})
    groups = score(scorer, prompts, {"p7": ["a", "bb"], "p8": ["ccc", "dddd"]}, step=5)
    assert len(calls) == 1
    call = calls[0]
    assert call["prompts"] == ["question 7", "question 7", "question 8", "question 8"]
    assert call["completions"] == ["a", "bb", "ccc", "dddd"]
    assert call["completion_ids"] == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
    assert call["solution"] == ["7", "7", "8", "8"] and call["level"] == ["easy", "easy", None, None]
    assert call["trainer_state"].global_step == 5
    assert scores(groups, "watch") == [[0.0, 1.0], [2.0, 3.0]]
    assert scorer.extra_metrics == {"seen": 12.0} and scorer.extra_columns == {"note": ["0", "1", "2", "3"]}


def test_a_conversation_gives_functions_messages() -> None:
    seen: dict[str, Any] = {}

    def watch(prompts: list, completions: list) -> list[float]:
        seen.update(prompts=prompts, completions=completions)
        return [1.0]

    scorer = Scorer([Reward(use="watch")], 1, ROOT, functions={"watch": watch})
    score(scorer, [prompt(1, messages=True)], {"p1": ["hello"]})
    assert seen == {
        "prompts": [[{"role": "user", "content": "question 1"}]],
        "completions": [[{"role": "assistant", "content": "hello"}]],
    }


def test_trls_own_reward_functions_run_unchanged() -> None:
    from trl.rewards import think_format_reward

    rewards = [
        Reward(use="trl.rewards:think_format_reward", name="by path"),
        Reward(use="given", name="given"),
        Reward(
            use="trl.rewards:get_soft_overlong_punishment",
            name="overlong",
            params={"max_completion_len": 40, "soft_punish_cache": 20},
        ),
    ]
    scorer = Scorer(rewards, 1, ROOT, functions={"given": think_format_reward})
    try:
        groups = score(scorer, [prompt(1, messages=True)], {"p1": ["<think>a</think> b", "b" * 30, "b" * 50]})
    finally:
        scorer.close()
    assert scores(groups, "by path") == scores(groups, "given") == [[1.0, 0.0, 0.0]]
    assert scores(groups, "overlong") == [[0.0, -0.5, -1.0]]


def test_a_group_reward_sees_its_whole_group_in_the_pool_and_here(caplog: pytest.LogCaptureFixture) -> None:
    class Shortest(GroupReward):
        name = "shortest"

        def judge_group(self, completions: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[Verdict]:
            shortest = min(map(len, completions))
            told = f"{[len(row['completion_ids']) for row in rows]} {rows[0]['prompt']} {rows[0]['level']}"
            return [scored(len(completion) == shortest, told) for completion in completions]

    kimi = Reward(use="length", name="kimi", params={"form": "group_relative", "correct": "math"})
    # Two rows of the same text are two groups.
    prompts = [
        prompt(7, level=[1, 2, 3]),
        replace(prompt(7, level=[4]), id="p7 again"),
        prompt(8, messages=True, level=0),
    ]
    texts = {"p7": ["7", "so 7", "so 8"], "p7 again": ["so it is 7", "7", "so 7"], "p8": ["8.", "8", "so"]}
    with caplog.at_level(logging.WARNING, logger="grpo.scoring.sources"):
        scorer = Scorer([Reward(use="math"), kimi, Reward(use="here")], 2, ROOT, functions={"here": Shortest()})
    try:
        groups = score(scorer, prompts, texts)
        unreadable = scorer.check_references([replace(prompts[0], columns={"solution": ""})])
    finally:
        scorer.close()
    # Lengths 1 4 4; 10 1 4; 2 1 2: right 0.5 - (L - min) / (max - min), wrong at most 0.
    assert scores(groups, "kimi") == [[0.5, -0.5, -0.5], [-0.5, 0.5, pytest.approx(0.5 - 3 / 9)], [-0.5, 0.5, -0.5]]
    assert scores(groups, "here") == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
    assert groups[0].verdicts[0]["here"].detail == "[1, 4, 4] question 7 [1, 2, 3]"
    assert "reward here runs in this process" in caplog.text and "kimi" not in caplog.text
    assert [u.label for u in unreadable] == ["math", "kimi"]


def test_a_ready_made_group_reward_travels(caplog: pytest.LogCaptureFixture) -> None:
    functions = {"kimi": length("group_relative", correct="math")}
    scorer = Scorer([Reward(use="kimi")], 1, ROOT, functions=functions)
    try:
        groups = score(scorer, [prompt(4)], {"p4": ["so 4", "<answer>4</answer>"]})
    finally:
        scorer.close()
    assert scores(groups, "kimi") == [[0.5, -0.5]] and caplog.records == []


def test_a_group_that_cannot_be_judged_is_unjudged_alone() -> None:
    class Moody(GroupReward):
        def judge_group(self, completions: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[Verdict]:
            if "boom" in completions:
                raise KeyError("my typo")
            return [scored(1) for _ in completions]

    scorer = Scorer([Reward(use="moody")], 1, ROOT, functions={"moody": Moody()})
    groups = score(scorer, [prompt(1), prompt(2)], {"p1": ["a", "boom"], "p2": ["a", "b"]})
    assert [[v["moody"].status for v in group.verdicts] for group in groups] == [["error"] * 2, ["scored"] * 2]
    assert "my typo" in groups[0].verdicts[0]["moody"].detail


def test_what_cannot_travel_runs_here_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    class Here(RowReward):
        name = "here"

        def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
            return scored(len(completion), row["prompt"])

    async def waits(completions: list[str], **kwargs: Any) -> list[float]:
        return [2.0 for _ in completions]

    functions = {"short": lambda completions, **kw: [1.0 for _ in completions], "waits": waits, "here": Here()}
    with caplog.at_level(logging.WARNING, logger="grpo.scoring.sources"):
        scorer = Scorer([Reward(use=label) for label in functions], 1, ROOT, functions=functions)
        for _ in range(2):
            groups = score(scorer, [prompt(1)], {"p1": ["abc"]})
    verdicts = groups[0].verdicts[0]
    assert (verdicts["short"].score, verdicts["waits"].score, verdicts["here"].score) == (1.0, 2.0, 3.0)
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == ["short", "waits", "here"]
    assert "it is async" in caplog.text and "a lambda, a closure or a method" in caplog.text


def test_a_ready_made_reward_travels_with_its_settings(caplog: pytest.LogCaptureFixture) -> None:
    functions = {"strict": MathReward(require_anchor=True), "lenient": MathReward(extract="last_number")}
    scorer = Scorer([Reward(use="strict"), Reward(use="lenient")], 1, ROOT, functions=functions)
    try:
        groups = score(scorer, [prompt(4)], {"p4": ["so 4", "<answer>4</answer>"]})
    finally:
        scorer.close()
    assert scores(groups, "strict") == [[0.0, 1.0]] and scores(groups, "lenient") == [[1.0, 1.0]]
    assert caplog.records == []


def test_a_function_that_no_reward_of_the_stage_names_is_not_called() -> None:
    def never(**kwargs: Any) -> list[float]:
        raise AssertionError("called")

    scorer = Scorer([Reward(use="one")], 1, ROOT, functions={"one": lambda completions: [1.0], "never": never})
    assert scores(score(scorer, [prompt(1)], {"p1": ["a"]}), "one") == [[1.0]]


def test_a_few_unjudged_are_marked_and_many_stop_the_run() -> None:
    def fails(completions: list[str], **kwargs: Any) -> list[float | None]:
        if "boom" in completions:
            raise RuntimeError("a typo of mine")
        return [float("nan") if c == "nan" else None if c == "none" else 1.0 for c in completions]

    scorer = Scorer([Reward(use="fails")], 1, ROOT, functions={"fails": fails}, max_unjudged=0.5)
    groups = score(scorer, [prompt(1)], {"p1": ["nan", "none", "a", "nan"]})
    assert [v["fails"].status for v in groups[0].verdicts] == ["error", "not_applicable", "scored", "error"]
    with pytest.raises(GuardError, match="(?s)75% of this step.*'fails'.*returned nan"):
        score(scorer, [prompt(1)], {"p1": ["nan", "nan", "a", "nan"]})
    with pytest.raises(GuardError, match="(?s)100%.*Traceback.*a typo of mine"):
        score(scorer, [prompt(1)], {"p1": ["boom", "a"]})


def test_a_reward_of_weight_zero_stops_nothing() -> None:
    def fails(completions: list[str]) -> list[float]:
        raise RuntimeError("only looked at")

    scorer = Scorer([Reward(use="fails", weight=0)], 1, ROOT, functions={"fails": fails})
    assert score(scorer, [prompt(1)], {"p1": ["a"]})[0].verdicts[0]["fails"].status == "error"


def test_unreadable_references_are_listed_with_their_reason() -> None:
    rows = [prompt(1), Prompt("p2", "t", (1,), {}), Prompt("p3", "t", (1,), {"solution": " "})]
    scorer = Scorer([Reward(use="math"), Reward(use="format")], 1, ROOT)
    assert [(u.prompt.id, u.label, u.reason) for u in scorer.check_references(rows)] == [
        ("p2", "math", "the row has no column `solution` or `answer`"),
        ("p3", "math", "the reference is empty"),
    ]


def test_mistakes_name_the_place() -> None:
    with pytest.raises(UserError, match=r"stages.zero.rewards\[1\].use: no reward 'maths': did you mean 'math'"):
        Scorer([Reward(use="math"), Reward(use="maths")], 1, ROOT, where="stages.zero.rewards")
    with pytest.raises(UserError, match="reward number is a int"):
        Scorer([Reward(use="number")], 1, ROOT, functions={"number": 3})  # type: ignore[dict-item]


def test_completions_are_told_apart() -> None:
    scorer = Scorer([Reward(use="one")], 1, ROOT, functions={"one": lambda completions: [1.0]})
    with pytest.raises(ValueError, match="same id"):
        scorer.begin([prompt(1), prompt(1)])
    scorer.begin([prompt(1)])
    scorer.submit(completion(prompt(1), 0, "a"))
    with pytest.raises(ValueError, match="submitted twice"):
        scorer.submit(completion(prompt(1), 0, "a"))


def test_rewards_of_one_source_do_not_judge_rows_of_another() -> None:
    """Neither as they finish (math, choice), nor as a group (length), nor once a step (from Python)."""
    prompts = [replace(prompt(0), source="sums"), replace(prompt(1, solution="B"), source="letters")]
    texts = {"p0": ["so 0", "so 9"], "p1": ["answer: B", "answer: A"]}
    seen: list[list[str]] = []

    def counting(completions: list[str], **_: Any) -> list[float]:
        seen.append(completions)
        return [1.0] * len(completions)

    rewards = [Reward(use="math"), Reward(use="choice"), Reward(use="counting"), Reward(use="format")]
    judged = {"math": {"sums"}, "choice": {"letters"}, "counting": {"letters"}}
    scorer = Scorer(rewards, 1, ROOT, {"counting": counting}, judged=judged)
    try:
        groups = score(scorer, prompts, texts)
        unreadable = scorer.check_references([replace(prompts[0], columns={}), replace(prompts[1], columns={})])
    finally:
        scorer.close()
    assert scores(groups, "math") == [[1.0, 0.0], [None, None]]
    assert scores(groups, "choice") == [[None, None], [1.0, 0.0]]
    assert scores(groups, "counting") == [[None, None], [1.0, 1.0]] and seen == [texts["p1"]]
    assert scores(groups, "format") == [[0.0, 0.0]] * 2
    assert {v["math"].status for v in groups[1].verdicts} == {"not_applicable"}
    assert [(bad.prompt.source, bad.label) for bad in unreadable] == [("sums", "math"), ("letters", "choice")]


def test_a_reward_that_fails_on_all_rows_of_its_source_stops_the_run_however_few_these_are() -> None:
    def fails(completions: list[str]) -> list[float]:
        raise RuntimeError("of the small source")

    prompts = [replace(prompt(i), source="small" if i < 2 else "large") for i in range(6)]
    texts = {p.id: ["1", "2"] for p in prompts}
    rewards, judged = [Reward(use="math"), Reward(use="fails")], {"math": {"large"}, "fails": {"small"}}
    scorer = Scorer(rewards, 1, ROOT, {"fails": fails}, judged=judged)
    try:
        with pytest.raises(GuardError, match="(?s)100% of the completions that it.*small source"):
            score(scorer, prompts, texts)
        score(scorer, prompts[1:], texts)  # one prompt may be a hard one
    finally:
        scorer.close()
