"""Groups with advantages to samples: what the trainer sees, and the reward figures of a step."""

from collections.abc import Sequence

from grpo.algorithm.advantages import GroupAdvantages, judged, mean, unbiased_std
from grpo.records import Completion, Group, Sample


def to_samples(groups: Sequence[Group], advantages: GroupAdvantages, *, mask_truncated: bool) -> list[Sample]:
    """One sample a completion, in the order of the groups.

    Not counted, and then without advantage: those that `group_advantages` does not count, and with mask_truncated
    those that ended by length. A truncated completion's reward stays in its group's baseline and std (DAPO's overlong
    filtering, arXiv 2503.14476 §3.4, masks the loss alone; TRL likewise). A completion whose advantage is 0 is counted.
    """
    samples = []
    for group, values, counts in zip(groups, advantages.advantages, advantages.counted, strict=True):
        for completion, advantage, counted in zip(group.completions, values, counts, strict=True):
            counted = counted and not (mask_truncated and completion.finish_reason == "length")
            samples.append(_sample(group, completion, advantage if counted else 0.0, counted))
    return samples


def reward_statistics(groups: Sequence[Group], advantages: GroupAdvantages) -> dict[str, float]:
    """`reward` and `reward_std` over all judged completions (std unbiased), and `frac_reward_zero_std`: the share of
    groups without signal, whose judged rewards are all equal or fewer than two; a group that only a teacher judges is
    not among them. No key where nothing was judged."""
    for group, rewards in zip(groups, advantages.rewards, strict=True):
        if len(group.completions) != len(rewards):
            raise ValueError(f"prompt {group.prompt.id}: {len(group.completions)} completions, {len(rewards)} rewards")
    known = [reward for rewards in advantages.rewards for reward in judged(rewards)]
    if not known:
        return {}
    both = zip(advantages.rewards, advantages.counted, strict=True)
    flat = [unbiased_std(judged(rewards)) == 0.0 for rewards, counted in both if judged(rewards) or not any(counted)]
    return {
        "reward": mean(known),
        "reward_std": unbiased_std(known),
        "frac_reward_zero_std": sum(flat) / len(flat),
    }


def source_statistics(groups: Sequence[Group], advantages: GroupAdvantages) -> dict[str, float]:
    """Where a step mixes sources of prompts: `sources/NAME/prompts`, and `sources/NAME/reward` over the judged
    completions of each."""
    metrics: dict[str, float] = {}
    for source in sorted({group.prompt.source for group in groups} - {""}):
        own = [place for place, group in enumerate(groups) if group.prompt.source == source]
        metrics[f"sources/{source}/prompts"] = float(len(own))
        known = [reward for place in own for reward in judged(advantages.rewards[place])]
        if known:
            metrics[f"sources/{source}/reward"] = mean(known)
    return metrics


def _sample(group: Group, completion: Completion, advantage: float, counted: bool) -> Sample:
    if completion.prompt_id != group.prompt.id:
        raise ValueError(f"a completion of prompt {completion.prompt_id} stands in the group of {group.prompt.id}")
    return Sample(
        prompt_id=group.prompt.id,
        prompt_ids=group.prompt.token_ids,
        completion_ids=completion.token_ids,
        sampling_logprobs=completion.logprobs,
        advantage=advantage,
        counted=counted,
    )
