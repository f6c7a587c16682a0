"""The parts that stages of a recipe share: data, sampling, optimisation, rollouts, rewards.

Every class here is strict (an unknown key is an error) and imports neither torch nor transformers, so that a recipe is
checked on any machine in about a second.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator


class Strict(BaseModel):
    """Unknown keys fail; values are checked at construction and cannot change afterwards."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, protected_namespaces=(), allow_inf_nan=False
    )


class TinyModel(Strict):
    """A decoder made on the spot, with a tokenizer of single characters: no download. Random weights from the seed.

    initializer_range: standard deviation of the first weights. Wider than the 0.02 of large models: matrices this small
    would start as almost nothing, and learn several times slower.
    """

    architecture: Literal["llama", "qwen2", "qwen3"] = "llama"
    layers: PositiveInt = 4
    hidden_size: PositiveInt = 192
    heads: PositiveInt = 3
    kv_heads: PositiveInt = 3
    intermediate_size: PositiveInt = 512
    max_position_embeddings: PositiveInt = 512
    tie_word_embeddings: bool = True
    initializer_range: float = Field(default=0.07, gt=0)

    @model_validator(mode="after")
    def _heads_divide(self) -> "TinyModel":
        if self.hidden_size % self.heads or self.heads % self.kv_heads:
            raise ValueError("hidden_size must be a multiple of heads, and heads a multiple of kv_heads")
        return self


class Model(Strict):
    """The policy a run starts from.

    path: a `from_pretrained` folder or hub name; or `tiny`: made by the recipe.
    dtype: compute precision of the policy and of the rollout engine. Weights learn in fp32 (design rule 7), or,
        where an `rl` stage asks for it, in bf16 with stochastic rounding.
    """

    path: str | None = None
    tiny: TinyModel | None = None
    revision: str | None = None
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    attn_implementation: str = "sdpa"
    trust_remote_code: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> "Model":
        if (self.path is None) == (self.tiny is None):
            raise ValueError("give either `path` (a folder or hub name) or `tiny`, not both and not neither")
        return self


class Lora(Strict):
    """Low-rank adapters (peft). alpha / r scales the adapter."""

    r: PositiveInt = 16
    alpha: float = 32.0
    dropout: float = Field(default=0.0, ge=0, le=0)
    target_modules: str | tuple[str, ...] = "all-linear"


class Example(Strict):
    """A worked example: what a user might ask, and the answer one wants, in the form one wants."""

    prompt: str
    completion: str


class Data(Strict):
    """Where rows come from and how they become prompts.

    source: a hub name, a local .jsonl/.json/.parquet/.csv file, `task:arithmetic` / `task:countdown` /
        `task:comparison` (procedural), `stage:NAME` (rows that a stage made), or a Python callable that returns rows
        (`package.module:function`, `file.py:function`).
    options: keywords of a procedural task or callable.
    rows: a slice of the source, `start:stop`, end exclusive, e.g. `0:700`.
    columns: ours → theirs. A value is a column's name or, where it contains `{{`, a Jinja text over the row.
        `prompt` is text or messages; `solution` is the reference (a column `answer` is understood as one too).
    template: `chat` (the model's chat template), `r1_zero` (R1-Zero's base template with think/answer tags), `none`
        (the prompt as it is), a path to a .jinja file, or Jinja text (contains `{{`).
    system, examples: with `chat`, a system message, and earlier turns that show how to answer (few-shot).
    too_long: a prompt that does not fit beside max_completion_length: `fail`, or `drop` (counted and shown).
    unreadable: a row whose reference a reward cannot read: `fail`, or `drop` (counted and shown).
    """

    source: str
    name: str | None = None
    split: str = "train"
    options: dict[str, Any] = {}
    rows: str | None = Field(default=None, pattern=r"^\d*:\d*$")
    columns: dict[str, str] = {}
    template: str = "chat"
    system: str | None = None
    examples: tuple[Example, ...] = ()
    chat_template_kwargs: dict[str, Any] = {}
    too_long: Literal["fail", "drop"] = "fail"
    unreadable: Literal["fail", "drop"] = "fail"
    shuffle: bool = True


class Reward(Strict):
    """One reward and its weight.

    use: a shipped reward (`math`, `code`, `format`, `language`, `length`, `repetition`, `countdown`, `choice`,
        `reasoning_gym`, `reward_model`), an import path (`package.module:function`), or `file.py:function`.
    params: keywords given to it at construction.
    seconds: deadline for one judgement, in the worker's CPU seconds.
    """

    use: str
    name: str | None = None
    weight: float = 1.0
    params: dict[str, Any] = {}
    seconds: float = Field(default=5.0, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"use": value} if isinstance(value, str) else value

    @property
    def label(self) -> str:
        """The name in metrics and records."""
        return self.name or self.use.rsplit(":", 1)[-1].rsplit("/", 1)[-1]


class Sampling(Strict):
    """How completions are drawn. top_k=0, top_p=1 and min_p=0 keep the whole vocabulary."""

    temperature: float = Field(default=1.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    min_p: float = Field(default=0.0, ge=0, lt=1)
    stop: tuple[str, ...] = ()
    max_completion_length: PositiveInt = 512

    @property
    def full_support(self) -> bool:
        """True where sampling keeps the whole vocabulary, so that the trainer's log-probs have the same support."""
        return self.top_p == 1.0 and self.top_k == 0 and self.min_p == 0.0


class Rollout(Strict):
    """The engine that samples.

    engine: `auto` takes vLLM where it is installed, else transformers, and says which.
    placement: `in_process` (the same requests give the same bytes run after run, which exact resume needs) or
        `own_process` (vLLM's engine core in a process of its own, as it must be beside a process group); null takes the
        first with one trainer process and the second with several.
    engine_args: any argument of vLLM's `LLM(...)`, passed through.
    canary_tolerance: largest mean |difference| in nats between engine and trainer log-probs on the probe; null takes
        the default for the dtype.
    """

    engine: Literal["auto", "vllm", "transformers"] = "auto"
    placement: Literal["in_process", "own_process"] | None = None
    kv_cache_gib: float = Field(default=1.0, gt=0)
    gpu_memory_utilization: float = Field(default=0.45, gt=0, lt=1)
    sleep: bool = True
    max_num_seqs: PositiveInt = 256
    engine_args: dict[str, Any] = {}
    canary_tolerance: float | None = Field(default=None, gt=0)


class Optimizer(Strict):
    """AdamW on fp32 master weights. Schedules count updates (optimizer steps).

    lr_floor: share of the learning rate that `cosine` ends at.
    """

    learning_rate: float = Field(default=1e-6, gt=0)
    lr_scheduler_type: Literal["constant", "linear", "cosine"] = "constant"
    lr_floor: float | None = Field(default=None, ge=0, lt=1)
    warmup_updates: int = Field(default=0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    adam_beta1: float = Field(default=0.9, ge=0, lt=1)
    adam_beta2: float = Field(default=0.999, ge=0, lt=1)
    adam_epsilon: float = Field(default=1e-8, gt=0)
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    gradient_checkpointing: bool = False

    @model_validator(mode="after")
    def _floor_of_a_cosine(self) -> "Optimizer":
        if self.lr_floor and self.lr_scheduler_type != "cosine":
            raise ValueError(f"lr_floor: only `cosine` ends at one, and lr_scheduler_type is {self.lr_scheduler_type}")
        return self


class Mismatch(Strict):
    """Correction for the difference between the engine's and the trainer's log-probs (importance weight
    w = exp(old − sampling)): `truncate` at cap (TIS), `mask` outside [floor, cap] (IcePop / MIS), or `off`. With
    `as_old` the engine's log-probs are the old ones: the loss's own clip bounds both differences at once, and several
    updates a step need no pass to score the old policy."""

    mode: Literal["truncate", "mask", "off", "as_old"] = "truncate"
    level: Literal["token", "sequence"] = "token"
    cap: float = Field(default=2.0, gt=0)
    floor: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _bounds_in_order(self) -> "Mismatch":
        if self.floor >= self.cap:
            raise ValueError(f"floor ({self.floor}) must be below cap ({self.cap})")
        return self


class Checkpoints(Strict):
    """save_every: steps (for `sft`: updates) between checkpoints. keep_last counts whole checkpoints; keep_best keeps
    the one with the highest evaluation as well."""

    save_every: PositiveInt = 10
    keep_last: PositiveInt = 2
    keep_best: bool = True


class Evaluate(Sampling):
    """Held-out evaluation through the same engine, with its own sampling.

    every: steps between evaluations; also before the first and after the last step. num_generations: samples a prompt
    (pass@1 is their mean, pass@k counts any). rewards: a score ≥ 1 counts as correct; each gives its own accuracy, and
    the first decides which checkpoint is the best. greedy: also decode each prompt once at temperature 0.
    max_completion_length: null takes the stage's.
    """

    data: Data
    every: PositiveInt = 10
    num_generations: PositiveInt = 4
    greedy: bool = True
    rewards: Annotated[tuple[Reward, ...], Field(min_length=1)] = (Reward(use="math"),)
    max_completion_length: PositiveInt | None = None  # type: ignore[assignment]
