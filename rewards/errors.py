"""The error for a reward that cannot be found or made: a user's mistake, told with what to do."""


class RewardError(Exception):
    """A reward's name, file or parameters are wrong. The message names the thing and what to do about it."""
