"""A few completions for a person to read, with what each reward said of them.

prompt      What is 17 + 25?
reward 1.20, math 1.00, format 0.20, 43 tokens, stop
  | <think>17 + 25 = 42</think><answer>42</answer>
"""

from collections.abc import Iterator, Mapping, Sequence

from grpo.records import Group
from grpo.report.completions import Advantages
from rewards.verdict import Verdict

LONGEST_SHOWN = 400


def excerpts(groups: Sequence[Group], advantages: Advantages | None, count: int) -> list[str]:
    """Lines that show `count` completions. Of a step: from the group with the widest spread of rewards the best, the
    worst, then those between. Of an evaluation (`advantages` None): the first of each of the first groups."""
    if not groups:
        return []
    if advantages is None:
        return [line for group in groups[:count] for line in excerpt(group, 0, None)]
    widest = max(range(len(groups)), key=lambda place: spread(advantages.rewards[place]))
    rewards = advantages.rewards[widest]
    chosen = from_both_ends(rewards)[:count]
    return [line for index in chosen for line in excerpt(groups[widest], index, number(rewards[index]))]


def excerpt(group: Group, index: int, reward: str | None) -> Iterator[str]:
    completion = group.completions[index]
    verdicts: Mapping[str, Verdict] = group.verdicts[index] if group.verdicts else {}
    head = [] if reward is None else [f"reward {reward}"]
    head += [
        f"{label} {number(verdict.score) if verdict.status == 'scored' else verdict.status}"
        for label, verdict in verdicts.items()
    ]
    head += [f"{len(completion.token_ids)} tokens", completion.finish_reason]
    yield f"  prompt      {printable(end_of(group.prompt.text))}"
    yield f"  {', '.join(head)}"
    for line in start_of(completion.text).split("\n"):
        yield f"    | {printable(line)}"


def spread(rewards: Sequence[float | None]) -> float:
    judged = [reward for reward in rewards if reward is not None]
    return max(judged) - min(judged) if judged else -1.0


def from_both_ends(rewards: Sequence[float | None]) -> list[int]:
    """Indices of the best, the worst, the second best, …; ties in sample order, unjudged ones last."""
    judged = [index for index, reward in enumerate(rewards) if reward is not None]
    judged.sort(key=lambda index: (-(rewards[index] or 0.0), index))
    order = [judged[at // 2] if at % 2 == 0 else judged[-1 - at // 2] for at in range(len(judged))]
    return order + [index for index, reward in enumerate(rewards) if reward is None]


def number(value: float | None) -> str:
    return "unjudged" if value is None else f"{value:.2f}"


def start_of(text: str) -> str:
    cut = len(text) - LONGEST_SHOWN
    return text if cut <= 0 else f"{text[:LONGEST_SHOWN]} (… {cut} more characters)"


def end_of(text: str) -> str:
    """A template's opening is the same for every prompt; the question stands at its end."""
    cut = len(text) - LONGEST_SHOWN
    return text if cut <= 0 else f"(… {cut} characters) {text[-LONGEST_SHOWN:]}"


def printable(text: str) -> str:
    """One line with nothing in it that a terminal would obey: a model can sample escape sequences."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
