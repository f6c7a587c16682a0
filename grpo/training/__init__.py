"""One update: layout, forward, fp32 masters, optimizer, checkpoints. The loop over steps lives in `stages`."""
