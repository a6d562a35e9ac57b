"""What tables write as the path of an image, as a file that is looked for below the table's folder."""

import os
from urllib.parse import urlsplit
from urllib.request import url2pathname

from animate.data import Fault


def written_file(text: str, root: str) -> str:
    """The file, relative to `root` or absolute, that `text` stands for.

    Blanks around it go. `file:` URLs are decoded. A backslash is a separator and `~` the user's home, unless
    a file of that very name is there.
    """
    text = text.strip()
    if text.lower().startswith("file:"):
        return url2pathname(urlsplit(text).path)
    if ("\\" in text or text.startswith("~")) and not _is_there(text, root):
        return os.path.expanduser(text.replace("\\", "/"))
    return text


def outside_fault(file: str, root: str) -> Fault | None:
    """What is wrong with a file whose path leads out of `root`; a link below it may lead anywhere."""
    top = os.path.abspath(root)
    path = os.path.normpath(os.path.join(top, file))
    if path == top or path.startswith(os.path.join(top, "")):
        return None
    return Fault("outside_folder", f"{file!r} is not in the table's folder; --allow-outside films it, too")


def _is_there(file: str, root: str) -> bool:
    try:
        return os.path.lexists(os.path.join(root, file))
    except ValueError:  # a null character, which no file name has
        return False
