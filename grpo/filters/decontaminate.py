"""Training rows that share words in a row with an evaluation set.

    13 words of the question, whatever stands around them → rejected, with the source and the words
    a question of the set with 7 words                    → rejected where all 7 stand in a row
    a text of the set with 1 or 2 words                   → not looked for: it would be found everywhere

Texts are to be the bare questions: rendered through the chat template, its own words would match every prompt.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grpo.errors import UserError
from grpo.filters.rows import Row
from grpo.filters.words import ngrams, words
from grpo.recipe.filters import Decontaminate

SHORTEST = 3  # words of a text that is looked for as a whole: DeepSeekMath, arXiv 2402.03300, §2.1
EXCERPT = 80  # characters of the shared words in a reason


@dataclass(frozen=True, slots=True)
class Index:
    """What is looked for: number of words → those words in a row → the first source that has them."""

    sources: dict[int, dict[str, str]]

    def shared(self, text: str) -> tuple[int, str, str] | None:
        """Words, how many, and source of the longest and then earliest words in a row that `text` shares, or None."""
        of_text = words(text)
        for size in sorted(self.sources, reverse=True):
            of_size = self.sources[size]
            for gram in ngrams(of_text, size):
                if gram in of_size:
                    return size, gram, of_size[gram]
        return None


def decontaminate(
    settings: Decontaminate, rows: Sequence[Row], texts: Mapping[str, Iterable[str]], where: str
) -> list[str | None]:
    """Why each row is rejected, or None. texts: by source. Raises UserError for a source without anything to look for,
    ValueError for one that was not handed over."""
    index = _index(settings, texts, where)
    of_prompts: dict[str, str | None] = {}
    reasons: list[str | None] = []
    for row in rows:
        if row.prompt not in of_prompts:  # a prompt is looked at once for all its completions
            of_prompts[row.prompt] = _reason("prompt", index.shared(row.prompt))
        reason = of_prompts[row.prompt]
        if reason is None and settings.completion:
            reason = _reason("completion", index.shared(row.completion))
        reasons.append(reason)
    return reasons


def _index(settings: Decontaminate, texts: Mapping[str, Iterable[str]], where: str) -> Index:
    sources: dict[int, dict[str, str]] = {}
    for place, source in enumerate(settings.sources):
        if source not in texts:
            raise ValueError(
                f"{where}: the texts of {source!r} were not handed over (got {', '.join(texts) or 'none'})"
            )
        longest = 0
        for text in texts[source]:
            of_text = words(text)
            longest = max(longest, len(of_text))
            size = min(len(of_text), settings.ngram)
            if size >= min(SHORTEST, settings.ngram):
                of_size = sources.setdefault(size, {})
                for gram in ngrams(of_text, size):
                    of_size.setdefault(gram, source)
        if longest < min(SHORTEST, settings.ngram):
            raise UserError(
                f"{source} has nothing to look for: its longest text has {longest} words",
                where=f"{where}.against[{place}]",
                advice="Give a source whose rows hold the questions, or take it out of `against`.",
            )
    return Index(sources)


def _reason(part: str, shared: tuple[int, str, str] | None) -> str | None:
    if shared is None:
        return None
    size, gram, source = shared
    excerpt = gram if len(gram) <= EXCERPT else gram[: EXCERPT - 1] + "…"
    return f"{size} words in a row of the {part} are in {source}: {excerpt!r}"
