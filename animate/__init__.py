"""Film captioned stills with a virtual camera into sharded video-text data."""
