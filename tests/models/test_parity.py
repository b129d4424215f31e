"""The pixels that a model is shown are those that any server would show it."""

from __future__ import annotations

import pytest
import torch
from PIL import Image as Pil

from sallet.core.image import Image
from sallet.core.query import Query
from sallet.models import parity
from sallet.models.local import HFModel
from tests.models.families import FAMILIES, every_family

# Down, down askew, up, up askew, and the model's own size.
SIZES = ((301, 203), (97, 240), (31, 45), (40, 130), (56, 56))


@every_family
@pytest.mark.parametrize("picture", list(parity.PICTURES))
def test_float_pixels_are_near_the_8_bit_path(model: HFModel, picture: str) -> None:
    for size in SIZES:
        apart = parity.steps_apart(model, parity.PICTURES[picture](*size))
        assert apart <= parity.tolerance(model), (picture, size)


@every_family
def test_answers_see_exactly_the_8_bit_path(model: HFModel) -> None:
    pixels = parity.writing(97, 133)
    out = model.processor(
        text=[model.render(Query.ask(Image(pixels), "hi"))],
        images=[[Pil.fromarray(pixels)]],
        return_tensors="pt",
    )
    shown = torch.tensor(pixels).permute(2, 0, 1)
    ours = model.image_inputs([shown])["pixel_values"]
    assert torch.equal(ours, out["pixel_values"].view_as(ours))


def test_without_the_correction_writing_is_far_apart() -> None:
    """The defect that `TwoPass` repairs is real: this would fail if torch stopped overshooting."""
    pixels = torch.tensor(parity.writing(97, 133)).permute(2, 0, 1)[None]

    def resized(seen: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(
            seen, size=[56, 56], mode="bicubic", antialias=True, align_corners=False
        )

    upstream = resized(pixels).float()
    assert (resized(pixels.float()).clamp(0, 255) - upstream).abs().max() > 2
    from sallet.models.pixels import TwoPass

    with TwoPass():
        assert (resized(pixels.float()) - upstream).abs().max() <= parity.TOLERANCE


def test_every_family_is_here() -> None:
    assert len(FAMILIES) >= 7
