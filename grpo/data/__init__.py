"""Rows to prompts: where rows come from, how a row becomes text and tokens, and which prompts a step takes.

A row of `{source: svamp.jsonl, columns: {prompt: "{{Body}}. {{Question}}", solution: Answer}, template: chat}`:

    sources   {"Body": "Jo had 3 pens and lost 1", "Question": "How many are left?", "Answer": 2.0, "ID": "chal-1"}
    columns   {"prompt": "Jo had 3 pens and lost 1. How many are left?", "solution": 2.0, "Body": …, "ID": "chal-1"}
    prompts   Prompt(id="8c1f…", text="<user>Jo had 3 pens …<assistant>", token_ids, columns={"solution": 2.0, …})

No streaming of hub data sets: RL reads each prompt many times and exact resume wants random access. Nothing here
imports torch; `datasets` is imported when a hub name or a folder is opened.
"""
