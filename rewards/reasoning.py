"""The two parts of a completion: the reasoning, and what is said after it.

"<think>1 + 1</think> two"   → reasoning "1 + 1", answer " two"
"1 + 1</think> two"          → the same: the prompt had opened the reasoning
"<think>1 + 1"               → reasoning "1 + 1", no answer: it was cut off
"1 + 1 is two"               → without tags there is no telling: all of it is either
"""

THINK, END = "<think>", "</think>"
ANSWER, ANSWER_END = "<answer>", "</answer>"


def after_reasoning(completion: str) -> str:
    """What stands after the last `</think>`; all of it where there are no tags; empty where the reasoning is open."""
    _, closed, tail = completion.rpartition(END)
    if closed:
        return tail
    return "" if THINK in completion else completion


def reasoning_of(completion: str) -> str:
    """What stands before the last `</think>`; without one, all of it, up to `<answer>` where that was opened.

    Several blocks, and text around them, are all reasoning: nothing written before the answer escapes by its place.
    """
    head, closed, _ = completion.rpartition(END)
    text = head if closed else completion.partition(ANSWER)[0]
    return text.replace(THINK, " ").replace(END, " ")


def last_answer_tag(text: str) -> str | None:
    """What the last `<answer>…</answer>` holds, or None."""
    end = text.rfind(ANSWER_END)
    start = text.rfind(ANSWER, 0, end) if end >= 0 else -1
    return text[start + len(ANSWER) : end] if start >= 0 else None
