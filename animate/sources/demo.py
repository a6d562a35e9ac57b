"""`demo`: sixteen free photographs that come with the package; demo/LICENSES.md has their licences."""

import dataclasses
import os

from animate.recipe import SourceRecipe
from animate.sources.folder import Folder

#: Inside the package, wherever it is installed.
DEMO_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "demo")


def open_demo(source: SourceRecipe) -> Folder:
    """The photographs, as a `folder` corpus."""
    return Folder(dataclasses.replace(source, path=DEMO_FOLDER))
