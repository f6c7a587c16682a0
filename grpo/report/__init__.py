"""What happened? Metrics, times, completions, the console, and where a run came from."""
