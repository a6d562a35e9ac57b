"""Command lines of `animate` and `retrieval`: parse, call one function, print."""
