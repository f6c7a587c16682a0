"""Worked solutions of the arithmetic task, right ones and ones with a bad habit.

    right        <think>7+5=12,4+8+1=13</think>\n<answer>132</answer>
    slip         <think>7+5=12,4+8=12</think>\n<answer>122</answer>         every carry forgotten
    guess        <think></think>\n<answer>142</answer>                      nothing worked out, a near miss
    bare         132                                                        the form left out
    told         <think>ones 7+5=12, tens 4+8+1=13, so 132</think>\n<answer>132</answer>

A policy trained on a mixture of them samples from the mixture: it is a base model that can do the task and often does
not. Each habit shows in one or two tokens, which is what makes it quick to unlearn. Slips outnumber guesses because a
slip still teaches the digits, and a guess teaches nothing: a small model learns from a mixture of them in less time.
Telling the steps in words is no bad habit but another manner: right ones, slips and broken forms can all be told.
"""

from itertools import chain, repeat
from random import Random

_GUESSES = 0.25  # share of the wrong solutions that are guesses, where there is a carry to forget
_PLACES = ("ones", "tens", "hundreds", "thousands")
_FORM = "<think>{thought}</think>\n<answer>{answer}</answer>"
# No tags at all, no answer tags, or no think tags.
_BROKEN_FORMS = ("{answer}", "<think>{thought}</think>\n{answer}", "{thought}\n<answer>{answer}</answer>")


def imperfect_solution(
    a: int, operation: str, b: int, error_rate: float, format_error_rate: float, prose_rate: float, random: Random
) -> str:
    """A worked solution; with probability error_rate a wrong one (mostly slips), and independently of that with
    probability format_error_rate one in a broken form, with probability prose_rate one told in words."""
    wrong, broken = random.random() < error_rate, random.random() < format_error_rate
    guess = wrong and random.random() < _GUESSES
    steps, answer = work_out(a, operation, b, carry=not wrong)
    right = work_out(a, operation, b)[1]
    if guess or (wrong and answer == right):  # nothing to carry: the slip would be no error
        steps, answer = [], near_miss(right, random)
    form = random.choice(_BROKEN_FORMS) if broken else _FORM
    told = random.random() < prose_rate  # drawn last: the other habits are the same at every prose_rate
    thought = in_words(steps, answer) if told and steps else ",".join(steps)
    return form.format(thought=thought, answer=answer)


def work_out(a: int, operation: str, b: int, *, carry: bool = True) -> tuple[list[str], int]:
    """Steps digit by digit from the right, and the result. With carry=False every carry (borrow) is forgotten."""
    steps, digits, over = [], [], 0
    columns = max(len(str(a)), len(str(b)))
    for place in range(columns):
        x = a // 10**place % 10
        y = b if operation == "*" else b // 10**place % 10
        left = f"{x}{operation}{y}"
        if operation == "-":
            value = x - y - over
            tens = 10 if value < 0 and place < columns - 1 else 0
            left = f"{x + tens}-{y}" + (f"-{over}" if over else "")
            steps.append(f"{left}={value + tens}")
            digits.append(value + tens)
            over = 1 if tens and carry else 0
        else:
            value = (x * y if operation == "*" else x + y) + over
            steps.append(f"{left}{f'+{over}' if over else ''}={value}")
            last = place == columns - 1
            digits.append(value if last else value % 10)
            over = value // 10 if carry else 0
    return steps, sum(digit * 10**place for place, digit in enumerate(digits))


def near_miss(right: int, random: Random) -> int:
    """A wrong answer of about the right size: one digit, or the tens, off."""
    offsets = [offset for offset in (-20, -11, -10, -9, -2, -1, 1, 2, 9, 10, 11, 20) if right + offset >= 0]
    return right + random.choice(offsets)


def in_words(steps: list[str], answer: int) -> str:
    """The same steps, each after the name of its place: `ones 7+5=12, tens 4+8+1=13, so 132`."""
    told = [f"{place} {step}" for place, step in zip(chain(_PLACES, repeat("next")), steps, strict=False)]
    return ", ".join([*told, f"so {answer}"])
