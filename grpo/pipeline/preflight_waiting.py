"""What can be told of rows before the stage that makes them has run."""

from grpo.data.templates import open_template
from grpo.pipeline.data_sets import DataSet
from grpo.pipeline.preflight_lengths import Read
from grpo.pipeline.preflight_rows import check_rewards
from grpo.stages.stage import Given


def check_waiting(each: DataSet, read: Read, given: Given) -> None:
    """Raises UserError for a template that the tokenizer lacks, rewards that cannot be loaded, and a length for which
    the model's context has no room."""
    open_template(each.data, read.reader.tokenizer, base=read.base, where=each.where)
    if each.rewards is None:
        read.reader.room_for_sequences(each.tokens, each.limit)
        return
    read.reader.room_for_prompts(each.tokens, each.limit)
    check_rewards(each.rewards, functions=given.functions, base=read.base, where=f"{each.around}.rewards")
