"""The three makes: the real classes, whose towers we run in batches without changing a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from sallet.core.errors import UnknownName
from sallet.world.make import GRID, IMAGE_TOKENS, WIDE, place
from sallet.world.makes import MAKES, make
from sallet.world.processor import processor
from sallet.world.scenes import SIDE
from sallet.world.tower import normal


@pytest.fixture(scope="module", params=MAKES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A make and its processor, as it comes back from a folder."""
    folder = tmp_path_factory.mktemp(request.param)
    processor(make(request.param)).save_pretrained(folder)
    return make(request.param), AutoProcessor.from_pretrained(folder, local_files_only=True)


def pictures(count: int = 3) -> torch.Tensor:
    drawn = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    return torch.from_numpy(drawn)


def test_an_unknown_make_is_named() -> None:
    with pytest.raises(UnknownName, match="qwen3vl"):
        make("qwen3-vl")


def test_the_tower_gives_what_the_class_gives_on_the_processors_pixels(built: Any) -> None:
    chosen, made = built
    torch.manual_seed(0)
    tower = chosen.tower().eval()
    tower.set_attn_implementation("eager")
    raw = pictures()
    inputs = made.image_processor([Image.fromarray(x.numpy()) for x in raw], return_tensors="pt")
    names = {"image_grid_thw": "grid_thw"}
    if chosen.name == "qwen3vl":
        taken = [inputs["pixel_values"]]
        extra = {names[k]: v for k, v in inputs.items() if k in names}
    else:
        taken, extra = [], {"pixel_values": inputs["pixel_values"]}
    with torch.no_grad():
        theirs = tower(*taken, **extra).last_hidden_state
        ours = chosen.states(tower, normal(raw))
    theirs = theirs.reshape(len(raw), -1, WIDE)[:, -IMAGE_TOKENS:]
    assert ours.shape == (len(raw), IMAGE_TOKENS, WIDE)
    assert ours.std() > 0.05
    assert (ours - theirs).abs().max() < 1e-4


def test_a_pictures_states_do_not_depend_on_its_neighbours(built: Any) -> None:
    chosen, _ = built
    torch.manual_seed(0)
    tower = chosen.tower().eval()
    pixels = normal(pictures())
    with torch.no_grad():
        together = chosen.states(tower, pixels)
        alone = torch.cat([chosen.states(tower, one[None]) for one in pixels])
    assert (together - alone).abs().max() < 1e-4


def test_an_untrained_model_is_small_and_has_the_tower_inside(built: Any) -> None:
    chosen, made = built
    model = chosen.untrained(made.tokenizer)
    assert model.num_parameters() * 2 < 6_000_000  # bytes in bf16
    assert model.config.image_token_id == made.tokenizer.convert_tokens_to_ids(chosen.marks.image)
    inside = chosen.inside(model).state_dict()
    fresh = chosen.tower().state_dict()
    assert {k: v.shape for k, v in inside.items()} == {k: v.shape for k, v in fresh.items()}


def test_positions_count_on_or_lie_on_a_grid() -> None:
    kinds = [0, 0, *[1] * IMAGE_TOKENS, 0]
    line = place(kinds, grid=False)
    assert line == [(i, i, i) for i in range(len(kinds))]
    laid = place(kinds, grid=True)
    assert len(laid) == len(kinds)
    assert laid[:2] == [(0, 0, 0), (1, 1, 1)]
    assert laid[2] == (2, 2, 2)
    assert laid[2 + GRID + 1] == (2, 3, 3)
    assert laid[-1] == (2 + GRID,) * 3
