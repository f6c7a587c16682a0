"""GRPO itself: groups to advantages, log-probs to a loss. Pure functions, no I/O, no state.

    groups ── advantages.group_advantages ─► advantages ── samples.to_samples ─► samples
    samples, forward ─► batch.TokenBatch ── losses.policy_loss ─► loss
        losses: which surrogate, and which denominator   ratios: policy / old policy
        kl: distance to the reference                    mismatch: trainer / rollout engine

Read `advantages.py` and `losses.py`; the rest is one idea a file.
"""
