"""What is raised for bad image bytes."""

from animate.data import STATUSES


class UndecodableImage(ValueError):
    """Image bytes that give no still; `status` is one of `animate.data.STATUSES`."""

    def __init__(self, status: str, message: str) -> None:
        assert status in STATUSES, status
        super().__init__(message)
        self.status = status
