"""What is said to a user whose corpus is not there or not what the recipe says."""

from animate.errors import UserError


class SourceError(UserError):
    """A corpus that cannot be read as asked: names the path or column, and what was found instead."""
