"""Row rewards in TRL's convention."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from rewards import GroupReward, RowReward, Verdict, scored
from rewards.protocol import completion_text, prompt_tail, reference_of


class Longer(RowReward):
    name = "longer"

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        if row["limit"] is None:
            return Verdict("not_applicable")
        return scored(len(completion) > row["limit"], f"{row.get('prompt')}")


def test_columns_become_rows_and_prompts_become_prompt() -> None:
    verdicts = Longer().judge(prompts=["p", "q"], completions=["abc", "a"], limit=[2, 2], trainer_state=object())
    assert verdicts == [scored(1.0, "p"), scored(0.0, "q")]


def test_call_gives_scores_and_none_where_not_applicable() -> None:
    assert Longer()(completions=["abc", "a", "a"], limit=[2, 2, None]) == [1.0, 0.0, None]


def test_messages_are_judged_by_the_last_assistant_content() -> None:
    messages = [
        {"role": "assistant", "content": "long enough"},
        {"role": "tool", "content": "a long tool answer"},
        {"role": "assistant", "content": "a"},
    ]
    assert Longer()(completions=[messages], limit=[2]) == [0.0]
    assert completion_text([{"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]) == "ab"
    assert completion_text([]) == ""


def test_trl_names_metrics_by_the_reward() -> None:
    assert Longer().__name__ == "longer"


def test_prompt_tail_of_text_and_of_an_unfinished_assistant_message() -> None:
    assert prompt_tail({"prompt": "Assistant: <think>"}) == "Assistant: <think>"
    assert prompt_tail({"prompt": [{"role": "user", "content": "<think>"}]}) == ""
    assert prompt_tail({"prompt": [{"role": "assistant", "content": "<think>"}]}) == "<think>"
    assert prompt_tail({}) == ""


def test_the_reference_is_solution_before_answer() -> None:
    assert reference_of({"solution": "1", "answer": "2"}) == "1"
    assert reference_of({"answer": 0}) == 0
    assert reference_of({}) is None


def test_only_a_scored_verdict_has_a_score() -> None:
    with pytest.raises(ValueError, match="exactly when it is scored"):
        Verdict("timeout", 0.0)
    with pytest.raises(ValueError, match="exactly when it is scored"):
        Verdict("scored")
    assert Verdict("timeout").unjudged and not Verdict("not_applicable").unjudged


class Longest(GroupReward):
    """1 for the longest completion of its group."""

    name = "longest"

    def judge_group(self, completions: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        longest = max(map(len, completions))
        told = ",".join(str(row.get("solution")) for row in rows)
        return [scored(len(completion) == longest, told) for completion in completions]


def test_a_group_is_the_rows_of_one_prompt_wherever_they_stand() -> None:
    batch = {"completions": ["a", "ccc", "bb", "c"], "solution": [1, 2, 3, 4]}
    assert Longest()(prompts=["p", "q", "p", "q"], **batch) == [0.0, 1.0, 1.0, 0.0]
    assert [v.detail for v in Longest().judge(prompts=["p", "q", "p", "q"], **batch)] == ["1,3", "2,4", "1,3", "2,4"]
    assert Longest()(prompts=["p"] * 4, **batch) == [0.0, 1.0, 0.0, 0.0]


def test_a_prompt_id_tells_groups_of_the_same_prompt_apart() -> None:
    batch = {"completions": ["a", "ccc", "bb", "c"], "prompts": ["p"] * 4}
    assert Longest()(prompt_id=[0, 1, 0, 1], **batch) == [0.0, 1.0, 1.0, 0.0]


def test_a_group_reward_without_a_prompt_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match="longest compares the completions of one prompt"):
        Longest()(completions=["a"])


def test_a_group_reward_must_judge_every_completion() -> None:
    class Short(GroupReward):
        def judge_group(self, completions: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[Verdict]:
            return []

    with pytest.raises(ValueError):
        Short()(completions=["a"], prompts=["p"])
