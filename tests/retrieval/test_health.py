"""`check` finds what evaluation will find."""

from retrieval.datasets import open_dataset
from retrieval.health import check_part, parts_of
from retrieval.recipe import DataSpec
from tests.support.judged import recipe_of


def test_check_finds_what_evaluation_will_find(table):
    data = DataSpec(name="table", table=str(table), validation_table=str(table), held_out_table=str(table))
    parts = parts_of(open_dataset(data))
    assert list(parts) == ["train", "validation", "test"]
    recipe = recipe_of({"name": "table"})
    findings = list(check_part(parts["train"], recipe.frames, "", threads=2))
    assert [finding.video_id for finding in findings] == [f"v{i}.mp4" for i in range(10)]
    assert [finding.status for finding in findings if not finding.usable] == ["missing"]
