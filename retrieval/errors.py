"""Errors whose message is for whoever typed the command; what else is raised is a bug."""


class CheckpointError(ValueError):
    """A checkpoint that is missing, incomplete, or of another model than the one wanted."""


class NotFinite(RuntimeError):
    """The loss or its gradient is NaN or infinite; the message names the file with the batch's keys."""
