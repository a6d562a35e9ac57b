"""What `benchmarks/quality.py` measures, one file a question."""
