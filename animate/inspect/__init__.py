"""A shard set in a browser: what its shards hold, gathered, drawn and laid out as one page.

`opened` reads single clips, `catalogue` all that is listed of a set; `originals` finds the stills that it was
filmed from; `pictures` makes what is looked at, `plots` draws what is counted, `held` is what a file has of
each clip; `page` lays it out, as one file or as what `site` serves. `sheet` is a picture of a set on paper,
and `again` films one of its clips again. The folder `page/` has what runs in the browser.
"""
