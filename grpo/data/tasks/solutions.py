"""Worked solutions of the arithmetic task, right ones and ones with a bad habit.

    right        <think>7+5=12,4+8+1=13</think>\n<answer>132</answer>
    slip         <think>7+5=12,4+8=12</think>\n<answer>122</answer>         every carry forgotten
    guess        <think></think>\n<answer>142</answer>                      nothing worked out, a near miss
    bare         132                                                        the form left out

A policy trained on a mixture of them samples from the mixture: it is a base model that can do the task and often does
not. Each habit shows in one or two tokens, which is what makes it quick to unlearn. Slips outnumber guesses because a
slip still teaches the digits, and a guess teaches nothing: a small model learns from a mixture of them in less time.
"""

from random import Random

_GUESSES = 0.25  # share of the wrong solutions that are guesses, where there is a carry to forget


def imperfect_solution(
    a: int, operation: str, b: int, error_rate: float, format_error_rate: float, random: Random
) -> str:
    """A worked solution; with probability error_rate a wrong one (mostly slips), and independently with
    probability format_error_rate one in a broken form."""
    wrong, broken = random.random() < error_rate, random.random() < format_error_rate
    guess = wrong and random.random() < _GUESSES
    steps, answer = work_out(a, operation, b, carry=not wrong)
    right = work_out(a, operation, b)[1]
    if guess or (wrong and answer == right):  # nothing to carry: the slip would be no error
        steps, answer = [], near_miss(right, random)
    if broken:
        return broken_form(steps, answer, random)
    return f"<think>{','.join(steps)}</think>\n<answer>{answer}</answer>"


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


def broken_form(steps: list[str], answer: int, random: Random) -> str:
    """The same solution without its form: no tags at all, no answer tags, or an unclosed thought."""
    thought = ",".join(steps)
    return random.choice((f"{answer}", f"<think>{thought}</think>\n{answer}", f"{thought}\n<answer>{answer}</answer>"))
