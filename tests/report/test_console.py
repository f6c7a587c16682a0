import io

from grpo.report.console import Console
from tests.report.steps import ADVANTAGES, METRICS, SECONDS, groups


def plain_console(**options) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console("zero", stream=stream, **options), stream


def test_plain_lines_where_it_is_not_a_terminal():
    console, stream = plain_console(total_steps=100)
    for step in range(1, 22):
        console.step(step, METRICS, SECONDS)
    console.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 23, "21 steps and a heading every 20"
    assert lines[1].split()[:2] == ["1/100", "0.667"]
    assert lines[0] == lines[21]
    assert "\x1b" not in stream.getvalue()


def test_completions_at_the_first_and_every_tenth_step():
    console, stream = plain_console(completions=1)
    shown = []
    for step in range(1, 21):
        before = len(stream.getvalue())
        console.rollouts(step, groups(), ADVANTAGES)
        if len(stream.getvalue()) > before:
            shown.append(step)
    assert shown == [1, 10, 20]


def test_square_brackets_and_escapes_of_a_model_arrive_as_text():
    console, stream = plain_console(completions=4)
    console.evaluation(3, {"eval/pass@1": 0.5}, groups()[::-1])
    console.rollouts(1, groups()[:1], ADVANTAGES)
    text = stream.getvalue()
    assert "evaluation at step 3: pass@1 50.0%" in text
    assert "3\\x1b[31m" in text and "\x1b" not in text
    console.rollouts(1, groups(), ADVANTAGES)
    assert "[bold]4" in stream.getvalue()


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    console, stream = plain_console(total_steps=4)
    console.step(2, METRICS, SECONDS)
    console._bar.refresh()
    console.close()
    assert "2/4" in stream.getvalue() and "zero" in stream.getvalue()
