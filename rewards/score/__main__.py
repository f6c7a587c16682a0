"""`python -m rewards.score` where the console script is not on the path."""

from rewards.score.command import main

if __name__ == "__main__":
    raise SystemExit(main())
