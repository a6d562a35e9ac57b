"""The photographs that come with the package."""

from animate.data import Sample
from tests.support.corpora import DEMO, read, statuses


def test_the_demo_corpus_has_captions_and_a_licence_for_every_photograph(tmp_path):
    rows = read("demo", tmp_path)
    assert len(rows) >= 12
    assert statuses(rows) == ["ok"] * len(rows)
    licences = (DEMO / "LICENSES.md").read_text()
    for row in rows:
        assert isinstance(row, Sample)
        assert row.image.startswith(b"\xff\xd8\xff")
        assert len(row.captions) >= 2
        assert f"`{row.key}.jpg`" in licences
