r"""Model text is hostile: towers of powers, monsters of every kind, and text that no parser expects. Each must be
judged wrong (or run into its own deadline), quickly, with the next answer judged right."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rewards.pool import Pool, RewardSpec
from rewards.verdict import Verdict


def box(content: str) -> str:
    return "\\boxed{" + content + "}"


HOSTILE = {
    "tower": box("9^{9^{9^{9}}}"),
    "tower without braces": box("9^9^9"),
    "power": box("2^{10^9}"),
    "powers of powers": box("((99^{99})^{99})^{99}"),
    "factorial": box("1000000!"),
    "factorial of a factorial": box("((9!)!)"),
    "factorial of a tower": box("10^{10^{10}}!"),
    "binomial": box(r"\binom{10^8}{5\cdot 10^7}"),
    "sum": box(r"\sum_{k=1}^{10^9} k^k"),
    "product": box(r"\prod_{k=1}^{10^{12}} k"),
    "integral": box(r"\int_0^1 \frac{\sin(x^x)e^{\tan x}}{\ln(1+x^{17})}dx"),
    "limit of a sum": box(r"\lim_{n\to\infty}\sum_{k=1}^{n}\frac{1}{k^k}"),
    "logarithms": box(r"\log(\log(\log(10^{10^{10}})))"),
    "expansion": box("(a+b+c+d+e+f+g+h)^{60}"),
    "many terms": box("+".join(rf"\sin({i}x)" for i in range(400))),
    "digits": box("7" * 1_000_000),
    "braces": box("{" * 2000 + "1" + "}" * 2000),
    "roots": box(r"\sqrt{" * 2000 + "1" + "}" * 2000),
    "fractions": box(r"\frac{1}{" * 200 + "2" + "}" * 200),
    "parentheses": box("(" * 500 + "1" + ")" * 500),
    "list": box(",".join(map(str, range(20_000)))),
    "plus-minus": box(r"\pm 1," * 60),
    "boxes": box("41 and ") * 140_000,
    "open boxes": "\\boxed{" * 140_000,
    "prose": "blah " * 200_000,
    "dollars": "$" * 1_000_000,
    "amounts": "$1" * 200_000,
    "open braces": "{" * 1_000_000,
    "phrases": "the answer is " * 70_000,
    "spaces": "the answer is" + " " * 500_000 + "x",
    "points": "1." * 300_000,
    "backslashes": "\\" * 500_000,
    "nul": box("4\x002\x00"),
    "surrogate": box("\ud8002"),
    "python": box("__import__('os').system('touch PWNED')"),
    "python and pi": box(r"open('PWNED','w').write('1')+0*\pi"),
}
REFERENCES = {"number": "42", "formula": r"\frac{x+1}{\sqrt{2}}"}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with Pool({"math": RewardSpec("math", seconds=2.0)}, workers=1) as opened:
        yield opened


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(pool: Pool, name: str) -> None:
    for label, reference in REFERENCES.items():
        pool.submit(label, "math", HOSTILE[name], {"solution": reference})
        pool.submit("next", "math", box(r"\frac{1+x}{\sqrt{2}}"), {"solution": REFERENCES["formula"]})
        results = pool.collect()
        verdict = results[(label, "math")]
        assert isinstance(verdict, Verdict)
        assert verdict.status in ("scored", "timeout") and not verdict.score
        assert verdict.seconds <= 2.5
        assert results[("next", "math")].score == 1.0  # type: ignore[union-attr]
    assert not Path("PWNED").exists()


def test_few_hostile_answers_need_the_deadline(pool: Pool) -> None:
    """The caps are the first line: they answer before anything is evaluated."""
    for name, completion in HOSTILE.items():
        pool.submit(name, "math", completion, {"solution": "42"})
    timeouts = [key for key, verdict in pool.collect().items() if verdict.status == "timeout"]  # type: ignore[union-attr]
    assert timeouts == []
