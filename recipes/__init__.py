"""The recipes and shot lists that come with the packages, as data files."""
