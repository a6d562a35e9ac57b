"""A shard set on disk or behind an address: all that knows its files, how they are written and read again."""
