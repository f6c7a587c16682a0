from grpo.report.figures import by_reward, evaluation_line, heading, step_line, tokens_per_second
from tests.report.steps import METRICS, SECONDS


def test_tokens_a_second_leave_out_evaluation_and_checkpoints():
    assert tokens_per_second(METRICS, SECONDS) == 2.0
    assert tokens_per_second(METRICS, {}) is None
    assert tokens_per_second({}, SECONDS) is None


def test_a_step_stands_under_its_heading():
    line = step_line(12, 100, METRICS, SECONDS)
    titles = "step reward spread no signal length truncated kl entropy mismatch tok/s seconds"
    assert " ".join(heading().split()) == titles
    assert " ".join(line.split()) == "12/100 0.667 0.500 - - 25% - - - 2 sample 3.0 update 4.0 save 100.0"
    for title, value in (("reward", "0.667"), ("truncated", "25%"), ("tok/s", " 2")):
        end = heading().index(title) + len(title)
        assert line[:end].endswith(value), title


def test_without_a_last_step_the_place_is_the_step_alone():
    assert step_line(7, None, {}, {}).split()[0] == "7"


def test_rewards_by_name_where_there_are_several_and_the_unjudged_always():
    one = {"rewards/math/mean": 0.5, "rewards/math/unjudged": 0.0}
    assert by_reward(one) == []
    two = {"rewards/org/math/mean": 0.5, "rewards/org/math/unjudged": 3.0, "rewards/format/mean": 1.0}
    assert by_reward(two) == ["format 1.000", "org/math 0.500", "org/math unjudged 3"]


def test_an_evaluation_in_one_line():
    metrics = {"eval/pass@1": 0.8125, "eval/pass@1_low": 0.7, "eval/pass@4": 1.0, "eval/greedy/pass@1": 0.5}
    assert evaluation_line(40, metrics) == "evaluation at step 40: pass@1 81.2%  pass@4 100.0%  greedy/pass@1 50.0%"
    assert evaluation_line(0, {"eval/unjudged": 3.0}) == "evaluation at step 0: nothing could be judged"
