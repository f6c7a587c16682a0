"""A policy: loading, LoRA, the reference, weights under the names of the model's files, and models made on the spot."""
