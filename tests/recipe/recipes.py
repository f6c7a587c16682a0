"""A small recipe for tests, as text."""

BASE = """\
model: org/base-model
run_dir: runs/first
stages:
  warm:
    kind: sft
    data: {source: examples.jsonl}
    epochs: 2
  zero:
    kind: rl
    data: {source: problems.jsonl, columns: {prompt: question, solution: answer}}
    rewards: [math, {use: format, weight: 0.2}]
    steps: 100
    learning_rate: 1e-6
"""
