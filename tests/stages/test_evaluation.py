import pytest

from grpo.records import Completion, Group, Prompt
from grpo.stages.evaluation import accuracy
from rewards.verdict import Verdict, scored


def group(name: str, *scores: float | None) -> Group:
    prompt = Prompt(id=name, text="?", token_ids=(1,))
    completions = tuple(Completion(name, i, (2,), (-0.1,), "!", "stop", 0) for i in range(len(scores)))
    verdicts = tuple({"math": Verdict("timeout") if score is None else scored(score)} for score in scores)
    return Group(prompt, completions, verdicts)


def test_accuracy_worked_by_hand() -> None:
    metrics = accuracy([group("a", 1, 0), group("b", 1, 1), group("c", 0, 0)], "math")
    # Shares 0.5, 1, 0: mean 0.5, std (unbiased) 0.5, half interval 1.959964 × 0.5 / √3.
    assert metrics["pass@1"] == pytest.approx(0.5)
    assert metrics["pass@2"] == pytest.approx(2 / 3)
    assert metrics["pass@1_low"] == pytest.approx(max(0.0, 0.5 - 1.959964 * 0.5 / 3**0.5))
    assert metrics["pass@1_high"] == 1.0


def test_a_prompt_that_could_not_be_judged_is_left_out_and_counted() -> None:
    metrics = accuracy([group("a", 1, None), group("b", 1, 0)], "math")
    assert metrics["pass@1"] == 0.5
    assert metrics["unjudged"] == 1


def test_a_partial_score_is_not_correct() -> None:
    assert accuracy([group("a", 0.9, 1.0)], "math")["pass@1"] == 0.5


def test_the_majority_votes_by_answers() -> None:
    def voting(name: str, *answers: str | None) -> Group:
        plain = group(name, *[float(answer == "7") for answer in answers])
        return Group(plain.prompt, plain.completions, tuple(
            {"math": scored(float(answer == "7"), answer=answer)} for answer in answers))  # fmt: skip

    groups = [
        voting("most", "7", "3", "7", None),
        voting("few", "3", "7", "3", "3"),
        voting("tie, first wrong", "3", "7", "7", "3"),
        voting("tie, first right", "7", "3", "3", "7"),
        voting("nobody", None, None, None, None),
    ]
    metrics = accuracy(groups, "math")
    assert metrics["maj@4"] == pytest.approx(2 / 5)
    assert metrics["pass@4"] == pytest.approx(4 / 5)
    assert "maj@2" not in accuracy([group("a", 1, 0)], "math")
