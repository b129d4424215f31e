"""The run folder: nothing lost, nothing doubled, nobody else let in."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from sallet.core.errors import InputError, StoreError
from sallet.core.image import Image
from sallet.core.protocols import Hostile
from sallet.core.query import Message, Query
from sallet.media.encode import encode
from sallet.media.file import open_image
from sallet.runs import files
from sallet.runs.artifacts import Artifacts, Batch
from sallet.runs.codec import from_line, to_line
from sallet.runs.parse import parse
from sallet.runs.recipe import Recipe
from sallet.runs.store import Store, opened, read_rows
from tests.harness.handmade import row

RECIPE = parse({"name": "r", "models": ["m"], "benchmarks": ["b"], "seed": 1})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of three rows."""
    with opened(tmp_path / "run", RECIPE, resume=False) as store:
        store.append([row(0), row(1)], seconds=2.0)
        store.append([row(2)], seconds=1.0)
    return tmp_path / "run"


def test_a_row_comes_back_as_it_went(folder: Path):
    assert read_rows(folder) == [row(0), row(1), row(2)]
    assert from_line(to_line(row(0))) == row(0)
    assert Store.read(folder).manifest.seconds == 3.0


def test_a_number_that_json_has_no_word_for_is_null():
    assert from_line(to_line(row(0, loss_end=math.inf, gradient=math.nan))).loss_end is None


@pytest.mark.parametrize("torn", [1, 40, -1])
def test_a_torn_last_line_is_dropped_on_resume(folder: Path, torn: int):
    path = folder / "rows.jsonl"
    path.write_bytes(path.read_bytes() + to_line(row(3)).encode()[:torn])
    with opened(folder, RECIPE, resume=True) as store:
        assert [one.sample for one in store.rows] == ["s0", "s1", "s2"]
        assert not store.has(row(3).cell, "s3")
        store.append([row(3)])
    assert [one.sample for one in read_rows(folder)] == ["s0", "s1", "s2", "s3"]


def test_a_damaged_line_elsewhere_is_named(folder: Path):
    path = folder / "rows.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"{torn\n", lines[2]]))
    with pytest.raises(StoreError, match="line 2 is damaged"):
        read_rows(folder)


def test_a_row_of_another_version_is_named_by_its_place(folder: Path):
    path = folder / "rows.jsonl"
    path.write_text(path.read_text().replace('"cluster"', '"group"', 1))
    with pytest.raises(StoreError, match=r"rows.jsonl, line 1: a row has other fields"):
        read_rows(folder)


def test_a_row_is_never_doubled(folder: Path):
    with opened(folder, RECIPE, resume=True) as store:
        for rows in ([row(2)], [row(5), row(5)], [row(6), row(0)]):
            with pytest.raises(StoreError, match="twice"):
                store.append(rows)
    assert len(read_rows(folder)) == 3


def test_a_run_is_not_begun_twice(folder: Path, tmp_path: Path):
    with pytest.raises(StoreError, match="--resume"), opened(folder, RECIPE, resume=False):
        pass
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(StoreError, match="other files"), opened(tmp_path, RECIPE, resume=True):
        pass


def test_a_run_that_has_no_row_may_begin_anew(tmp_path: Path):
    other = parse({"models": ["m"], "benchmarks": ["b"], "seed": 9})
    with opened(tmp_path / "run", RECIPE, resume=False):
        pass
    with opened(tmp_path / "run", other, resume=False) as store:
        assert store.manifest.digest == other.digest
    assert Store.read(tmp_path / "run").manifest.recipe["seed"] == 9


def test_images_of_a_run_that_was_stopped_before_its_first_row_are_kept(tmp_path: Path):
    other = parse({"models": ["m"], "benchmarks": ["b"], "seed": 9})
    image = Image(np.zeros((2, 2, 3), np.uint8))
    for recipe, resume in ((RECIPE, True), (RECIPE, False), (other, True)):
        with opened(tmp_path / "run", RECIPE, resume=False) as store:
            name = store.artifacts.save(image)
        with opened(tmp_path / "run", recipe, resume=resume) as store:
            assert store.artifacts.path(name).exists() == (resume and recipe is RECIPE)


def test_a_run_without_rows_is_not_summed_up(tmp_path: Path):
    with opened(tmp_path / "run", RECIPE, resume=False):
        pass
    assert Store.read(tmp_path / "run").rows == []
    with pytest.raises(StoreError, match="no row yet"):
        Store.begun(tmp_path / "run")


def test_other_weights_behind_a_name_are_refused(folder: Path):
    with opened(folder, RECIPE, resume=True) as store:
        store.pin("source", "one")
        store.pin("source", "one")
        store.append([row(3, model_revision="r")])
        store.pin(row(3).key.model, "r")
    with opened(folder, RECIPE, resume=True) as store:
        for model in ("source", row(3).key.model):
            with pytest.raises(StoreError, match=f"{model} is now other"):
                store.pin(model, "other")


def test_resume_names_the_field_that_changed(folder: Path):
    changed = parse({"name": "r", "models": ["m"], "benchmarks": [{"name": "b", "limit": 9}]})
    with pytest.raises(StoreError) as caught, opened(folder, changed, resume=True):
        pass
    assert "seed: 1 -> 0" in str(caught.value)
    assert "benchmarks.0.limit: (not there) -> 9" in str(caught.value)


def test_two_processes_do_not_write_at_once(folder: Path):
    first, second = (opened(folder, RECIPE, resume=True) for _ in range(2))
    with first, pytest.raises(StoreError, match="is writing to"), second:
        pass
    with opened(folder, RECIPE, resume=True):
        pass


def test_the_resolved_recipe_means_the_same_run(folder: Path):
    recipe: Recipe = parse(yaml.safe_load((folder / "resolved-recipe.yaml").read_text()))
    assert recipe.digest == json.loads((folder / "manifest.json").read_text())["digest"]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    (tmp_path / "rows.jsonl").symlink_to(full)
    with pytest.raises(StoreError, match="No space left"):
        files.append(tmp_path / "rows.jsonl", b"row\n")


def test_a_file_is_replaced_whole(tmp_path: Path):
    path = tmp_path / "summary.json"
    files.replace(path, b"old")
    files.replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(StoreError, match="cannot write"):
        files.replace(tmp_path / "missing" / "summary.json", b"new")


def test_something_else_is_not_a_run(tmp_path: Path):
    with pytest.raises(StoreError, match="not a run folder"):
        Store.read(tmp_path)


def picture(seed: int) -> Image:
    return Image(np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8))


def test_hostile_queries_come_back_from_their_files(tmp_path: Path):
    artifacts = Artifacts(tmp_path)
    clean = [Query.ask(picture(i), "what ?", max_tokens=7).with_defense_seed(i) for i in (0, 1)]
    attacked = [query.with_images([picture(9)]).with_text(after="!") for query in clean]
    hostiles = tuple(Hostile(q, start=1.0, end=math.inf, steps=3, gradient=0.1) for q in attacked)
    assert artifacts.load_batch("k", clean) is None
    made = artifacts.save_batch("k", Batch(hostiles, 1.5, ("flag",)), clean)
    artifacts.settle()
    batch = artifacts.load_batch("k", clean)
    assert batch is not None
    assert [vars(one) for one in batch.hostiles] == [vars(one) for one in made.hostiles]
    assert [one.query for one in batch.hostiles] == attacked
    assert (batch.seconds, batch.flags) == (1.5, ("flag",))
    assert (batch.hostiles[0].start, batch.hostiles[0].end) == (1.0, None)
    assert artifacts.load_batch("other", clean) is None


def test_an_image_that_changed_on_disk_is_refused(tmp_path: Path):
    artifacts = Artifacts(tmp_path)
    digest = artifacts.save(picture(0))
    artifacts.settle()
    assert artifacts.load(digest) == picture(0)
    artifacts.path(digest).write_bytes(encode(picture(1)))
    with pytest.raises(StoreError, match="not the image"):
        artifacts.load(digest)
    artifacts.path(digest).write_bytes(b"no picture")
    with pytest.raises(StoreError, match="cannot read"):
        artifacts.load(digest)


def test_turns_before_the_last_are_kept(tmp_path: Path):
    artifacts = Artifacts(tmp_path)
    turns = (Message("user", ("look", picture(0))), Message("assistant", ("I see",)))
    query = Query((*turns, Message("user", ("and this ?", picture(1)))))
    artifacts.save_batch("k", Batch((Hostile(query),), 0.0, ()), [query])
    artifacts.settle()
    batch = artifacts.load_batch("k", [query])
    assert batch is not None
    assert batch.hostiles[0].query == query


def test_a_picture_that_an_attack_made_is_read_and_one_that_it_left_is_not(tmp_path: Path):
    artifacts = Artifacts(tmp_path)
    clean = [Query.ask(picture(i), "what ?") for i in (0, 1)]
    changed = clean[1].with_images([picture(9)])
    batch = artifacts.save_batch("k", Batch((Hostile(clean[0]), Hostile(changed)), 0.0, ()), clean)
    (left,), (made,) = (hostile.query.images for hostile in batch.hostiles)
    assert left is clean[0].images[0]
    assert made == picture(9)
    assert made is not changed.images[0]
    artifacts.settle()
    assert artifacts.load(left.digest) == left


def test_a_float_picture_is_judged_as_its_file_has_it(tmp_path: Path):
    artifacts = Artifacts(tmp_path)
    query = Query.ask(Image(torch.full((3, 4, 4), 0.5001)), "what ?")
    batch = artifacts.save_batch("k", Batch((Hostile(query),), 0.0, ()), [query])
    (read,) = batch.hostiles[0].query.images
    assert read.exact
    assert float(read.tensor()[0, 0, 0]) == pytest.approx(128 / 255)


def test_a_large_picture_is_packed_and_a_small_one_is_stored(tmp_path: Path):
    artifacts = Artifacts(tmp_path)
    small, large = (Image(np.full((side, side, 3), 9, np.uint8)) for side in (256, 257))
    names = [artifacts.save(image) for image in (small, large)]
    artifacts.settle()
    sizes = [artifacts.path(name).stat().st_size for name in names]
    assert sizes[0] > 3 * 256 * 256 > 50 * sizes[1]
    assert [artifacts.load(name) for name in names] == [small, large]


def test_no_row_is_written_before_its_picture(tmp_path: Path):
    path = tmp_path / "picture.png"
    path.write_bytes(encode(picture(3)))
    image = open_image(path)
    with opened(tmp_path / "run", RECIPE, resume=False) as store:
        assert image.digest == picture(3).digest
        path.unlink()
        store.artifacts.save(image)
        with pytest.raises(InputError, match="there is no image"):
            store.append([row(0)])
        assert not store.has(row(0).cell, row(0).sample)
    assert read_rows(tmp_path / "run") == []
