r"""Where in a completion the answer stands.

    <think>… \boxed{41} …</think> so <answer>42</answer>      → "42", found as `answer tag`

The reasoning is no answer: what stands before the last `</think>` is not looked at, and a completion that opens
`<think>` and never closes it has no answer. In what is left, the first of these that occurs gives the answer:

1. `<answer>…</answer>`, the last one; what it holds is searched again by rules 2 to 4, and prose as in rule 4;
2. `\boxed{…}`, the last balanced one that holds something (`\fbox` too); neighbouring boxes joined by nothing but
   commas, "and" or "or" are one answer of several parts;
3. `#### …`, the last one, to the end of its line;
4. a phrase: "the answer is …", "final answer: …", "A: …", "答案是…", "la réponse est …", the last one that states
   something, to the end of its sentence;
5. without an anchor: the whole text where it is nothing but a formula, else the last formula or number in it.

1 to 4 are *anchors*; `require_anchor` accepts nothing else.
"""

from rewards.math import prose
from rewards.math.anchors import anchored
from rewards.math.prose import MARK_UP, Found
from rewards.reasoning import after_reasoning, last_answer_tag

MAX_TEXT = 200_000  # characters of a completion that are looked at, from its end


def extract_answer(completion: str, require_anchor: bool = False) -> Found | None:
    """The answer of a completion, or None where there is none (with `require_anchor`: none at an anchor)."""
    text = after_reasoning(completion)[-MAX_TEXT:]
    tagged = last_answer_tag(text)
    if tagged is not None:
        bare = MARK_UP.sub("", tagged).strip()
        statement = prose.stated(bare) if prose.is_prose(bare) else bare
        return anchored(tagged) or (Found(statement, "answer tag", True) if statement else None)
    found = anchored(text)
    if found is not None or require_anchor:
        return found
    return prose.last_expression(text)


def last_number(text: str) -> Found | None:
    """The last number in a text, reasoning and all: the lenient reading, blind to format."""
    return prose.last_number(text[-MAX_TEXT:])
