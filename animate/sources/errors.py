"""The error for a corpus that is not there, or is not what the recipe says."""

from animate.errors import UserError


class SourceError(UserError):
    """A corpus that cannot be read as asked: the message names the path or column and what was found."""
