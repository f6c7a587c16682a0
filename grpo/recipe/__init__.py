"""What is this run? The schema, loading, overrides, the printed plan. Imports neither torch nor transformers."""
