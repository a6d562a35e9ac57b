"""The one family of errors that are for whoever typed the command, and not for whoever maintains the code."""


class UserError(ValueError):
    """Something asked for that cannot be done: the message names it, its value, and what would do.

    A program prints the message and ends; any other exception is a bug and keeps its traceback.
    """
