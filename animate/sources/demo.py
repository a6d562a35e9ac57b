"""`demo`: sixteen free photographs that come with the package; their licences stand in demo/LICENSES.md."""

import dataclasses
import os

from animate.recipe import SourceRecipe
from animate.sources.folder import Folder

DEMO_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "demo")


def open_demo(source: SourceRecipe) -> Folder:
    """The folder of photographs inside the package, wherever it is installed."""
    return Folder(dataclasses.replace(source, path=DEMO_FOLDER))
