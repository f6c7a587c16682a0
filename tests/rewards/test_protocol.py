"""Row rewards in TRL's convention."""

from collections.abc import Mapping
from typing import Any

import pytest

from rewards import RowReward, Verdict, scored
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
