"""Scores of text-video pairs: coarse() for all of them, fine() for chosen ones, fuse() for both together."""
