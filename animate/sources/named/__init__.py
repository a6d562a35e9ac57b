"""Corpora by name: the table (`table`), where they are (`find`), how they are opened (`open`)."""
