r"""Model text is hostile: towers of powers, monsters of every kind, and text that no parser expects. Each must be
judged wrong (or run into its own deadline), quickly, with the next answer judged right, from the main thread and from
any other."""

import threading
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
    "unclosed displays": "\\[" * 100_000,
    "unclosed dollars": "$\\" * 100_000,
    "spaces behind an anchor": "answer" + " " * 200_000,
    "blank lines": "\n" * 200_000 + "A",
    "tags": "<answer>" * 25_000,
    "numbers": "1 " * 100_000,
    "nested integers": box("((((9^{9})^{9})^{9})^{9})^{9}"),
    "nested sums": box(r"\sum_{k=1}^{999}\sum_{j=1}^{999} j^k"),
    "double integral": box(r"\int_0^1\int_0^1 e^{x^2y^2}dxdy"),
    "powers side by side": box("9^{4999}" * 40),
    "matrix power": box(r"\begin{pmatrix}a&b\\c&d\end{pmatrix}^{500}"),
    "matrix product": box(r"\begin{pmatrix}a&b\\c&d\end{pmatrix}" * 12),
    "matrices in matrices": box(r"\begin{pmatrix}" * 20 + "1" + r"\end{pmatrix}" * 20),
    "union": box(r"\cup".join(rf"(\sqrt{{{i}}},\sqrt{{{i + 1}}})" for i in range(60))),
    "free signs": box(r"1\pm2\pm3\pm4," * 60),
    "chain": box("=".join(["x"] * 300)),
    "imaginary tower": box("i^{i^{i}}"),
    "raised": box("²" * 1500),
    "python": box("__import__('os').system('touch PWNED')"),
    "python and pi": box(r"open('PWNED','w').write('1')+0*\pi"),
}
REFERENCES = {"formula": r"\frac{x+1}{\sqrt{2}}", "set": r"(-\infty,1)\cup(2,3)"}
SECONDS = 2.0


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool({"math": RewardSpec("math", seconds=SECONDS)}, workers=1) as opened:
        yield opened


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(pool: Pool, name: str) -> None:
    for label, reference in REFERENCES.items():
        pool.submit(label, "math", HOSTILE[name], {"solution": reference})
        pool.submit("next", "math", box(r"\frac{1+x}{\sqrt{2}}"), {"solution": REFERENCES["formula"]})
        results = pool.collect()
        verdict = results[(label, "math")]
        assert isinstance(verdict, Verdict)
        assert (verdict.status, verdict.score) == ("scored", 0.0) or verdict.status == "timeout"
        assert verdict.seconds <= SECONDS + 0.5
        assert results[("next", "math")].score == 1.0  # type: ignore[union-attr]
    assert not Path("PWNED").exists()


def test_from_a_thread_and_without_blocking_the_others() -> None:
    """All of them at once, between ordinary answers, from a thread: every ordinary answer is judged right. The caps are
    the first line: hardly a hostile one needs its deadline (an integral may)."""
    results: dict = {}

    def judge() -> None:
        with Pool({"math": RewardSpec("math", seconds=SECONDS)}, workers=2) as own:
            for name, completion in HOSTILE.items():
                own.submit(name, "math", completion, {"solution": "42"})
                own.submit("after " + name, "math", r"so \boxed{\frac{84}{2}}", {"solution": "42"})
            results.update(own.collect())

    thread = threading.Thread(target=judge)
    thread.start()
    thread.join(timeout=120)
    assert not thread.is_alive()
    assert len(results) == 2 * len(HOSTILE)
    assert all(verdict.score == 1.0 for (key, _), verdict in results.items() if key.startswith("after "))
    hostile = {key: verdict for (key, _), verdict in results.items() if not key.startswith("after ")}
    unscored = {key: verdict for key, verdict in hostile.items() if verdict.score != 0.0}
    assert len(unscored) <= 2 and all(verdict.status == "timeout" for verdict in unscored.values())
