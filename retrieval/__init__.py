"""Coarse-to-fine video-text retrieval: a CLIP dual encoder proposes, an interaction module re-ranks."""
