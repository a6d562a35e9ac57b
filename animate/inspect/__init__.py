"""A shard set in a browser: what its shards hold, gathered, drawn and laid out as one page.

`catalogue` reads the set; `originals` finds the stills that it was filmed from; `pictures` makes what is
looked at; `plots` draws what is counted; `page` lays it out, as one file or as what `site` serves; `sheet` is
a picture of it on paper, and `again` films one of its clips again.
"""
