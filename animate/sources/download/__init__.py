"""Downloading lists of addresses with img2dataset: guarded, checked, in a process of its own."""
