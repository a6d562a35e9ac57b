"""Corpora with a name: what they are (`corpora`), where they lie (`find`), how they are opened (`open`)."""
