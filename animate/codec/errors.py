"""What is raised for bad image bytes."""

from animate.data import Fault


class UndecodableImage(ValueError):
    """Image bytes that give no still; `fault` is why, as the rejection of the input has it."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(status, message)
