"""`animate`: a file a command; `main.py` gathers them."""
