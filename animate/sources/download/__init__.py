"""Downloading lists of addresses with img2dataset, guarded and checked, in a process of its own."""
