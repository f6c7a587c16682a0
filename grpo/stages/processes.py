"""Many processes, one run: each samples its share of the prompts, every one sees all groups."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grpo.records import Group

if TYPE_CHECKING:
    from accelerate import Accelerator


def share(items: Sequence, rank: int, world: int) -> list:
    """Every world-th item, starting at this process's rank."""
    return list(items[rank::world])


def gather_groups(groups: Sequence[Group], accelerator: "Accelerator") -> list[Group]:
    """All processes' groups, in the order of the prompts before they were shared out."""
    if accelerator.num_processes == 1:
        return list(groups)
    from accelerate.utils import gather_object

    # gather_object concatenates lists: one entry per process keeps the shares apart.
    shares: list[list[Group]] = gather_object([list(groups)])
    longest = max(len(part) for part in shares)
    return [part[index] for index in range(longest) for part in shares if index < len(part)]
