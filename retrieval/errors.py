"""Errors whose message is for whoever typed the command; what else is raised is a bug."""

from animate import UserError


class CheckpointError(UserError):
    """A checkpoint that is missing, incomplete, or of another model than the one wanted."""


class NotFinite(UserError):
    """The loss or its gradient is NaN or infinite; the message names the file with the batch's keys."""

    exit_code = 1  # training began, and is not done
