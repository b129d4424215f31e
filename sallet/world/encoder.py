"""``world/clip``: a real ``CLIPModel`` of the picture world, and how well it retrieves.

Trained from nothing with the symmetric contrastive loss (Radford et al., 2021,
figure 3) on pictures and captions that are redrawn every step, after the same
dense pretraining of the tower as the language models get. A caption that happens
to be true of another picture of the batch is no negative for it. The result is a
folder in bf16 that plain ``from_pretrained`` loads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, processors
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoProcessor, CLIPModel, PreTrainedTokenizerFast

from sallet.core.statistics import wilson
from sallet.world.captions import every, facts, one, read
from sallet.world.language import DENSE_WEIGHT
from sallet.world.loop import Stage, TrainingError, fit
from sallet.world.make import WIDE
from sallet.world.makes import CLIP_IMAGES, hf, make
from sallet.world.nouns import NOUNS
from sallet.world.render import render
from sallet.world.scenes import Scene, compose, seeds
from sallet.world.tower import DenseTower, Pictures, dense_loss, normal
from sallet.world.train import SEEDS, TOWER_STEPS, Progress, lean, silent, tower_stage, write

CLIP_STEPS: Final = 1500
WAYS: Final = ("image_to_text", "text_to_image")
LONGEST: Final = 64
END: Final = "<|end|>"
"""Ends every text. Not the chat's own end: that is token 2, for which ``CLIPModel`` keeps an
old mistake and pools at the largest token instead."""
WORD_SHARE: Final = 1 / 3
SHARPEST: Final = math.log(100)
"""The scale of similarities is held below 100, as in the paper."""
RETRIEVAL: Final = 63
"""Beside the families' numbers: held-out scenes that no family uses."""


@dataclass(frozen=True)
class Pairs:
    """A batch: pictures, a caption of each, and which captions are true of which pictures."""

    pictures: Pictures
    tokens: Tensor
    true: Tensor
    """Boolean ``[B, B]``, pictures by captions."""


@dataclass(frozen=True)
class Retrieval:
    """Shares of pictures whose nearest caption is right, and of captions likewise."""

    r1_image_to_text: float
    r1_text_to_image: float
    n: int

    def plain(self) -> dict[str, object]:
        """Name -> rate, with ``n`` and ``intervals`` (of Wilson, 95 %) beside them."""
        rates = {f"r1_{way}": getattr(self, f"r1_{way}") for way in WAYS}
        bounds = {name: wilson(rate, self.n)[1:] for name, rate in rates.items()}
        return {
            **{name: round(rate, 4) for name, rate in rates.items()},
            "n": self.n,
            "intervals": {name: [round(x, 4) for x in pair] for name, pair in bounds.items()},
        }


def train(
    out: Path,
    tokenizer: PreTrainedTokenizerFast,
    *,
    seed: int = 0,
    tower_steps: int = TOWER_STEPS,
    steps: int = CLIP_STEPS,
    batch: int = 96,
    tower: Path | None = None,
    resume: bool = True,
    workers: int = 0,
    progress: Progress = silent,
    threads: int | None = None,
) -> Path:
    """Train an encoder into ``out`` and return the exported folder, ``out/model``.

    Checkpoints and curves lie beside it; a run that was stopped goes on from them.
    ``tower`` is a finished ``tower.ckpt`` of a llava run to start from instead of
    pretraining one. ``threads`` holds for this run alone.
    """
    if not 0 <= seed < SEEDS:
        raise TrainingError(f"expected a seed of 0 to {SEEDS - 1}, got {seed}")
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        out.mkdir(parents=True, exist_ok=True)
        run = partial(fit, folder=out, resume=resume, workers=workers, report=progress)
        torch.manual_seed(seed)
        dense = DenseTower(make("llava"), lean(make("llava").tower()))
        if tower is None:
            run(tower_stage(dense, seed, tower_steps, batch))
        else:
            _take(dense, tower)
        torch.manual_seed(seed + 1)
        made = _processor(out / "processor", tokenizer, resume)
        twins = twins_of(dense, made)
        run(clip_stage(twins, made, seed, steps, batch))
        return write(twins.model, made, out / "model")
    finally:
        torch.set_num_threads(before)


def _processor(folder: Path, tokenizer: PreTrainedTokenizerFast, resume: bool) -> Any:
    """The run's own processor: a tokenizer trained again might number its words otherwise."""
    if not (resume and folder.is_dir()):
        processor(tokenizer).save_pretrained(folder)
    return AutoProcessor.from_pretrained(folder, local_files_only=True)


def _take(dense: DenseTower, path: Path) -> None:
    """Load a finished dense tower."""
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
        done, wanted, state = kept["step"], kept["steps"], kept["module"]
    except (OSError, KeyError) as error:
        raise TrainingError(f"expected the tower.ckpt of a run at {path}, got {error}") from error
    if done < wanted:
        raise TrainingError(f"{path} is at step {done} of {wanted}; finish that run first")
    try:
        dense.load_state_dict(state)
    except RuntimeError as error:
        raise TrainingError(f"{path} is no tower of the llava make: {error}") from error


def text_tokenizer(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The world's tokenizer as ``CLIPModel`` wants it: a begin and ``END`` around each text."""
    raw = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    raw.add_special_tokens([END])
    bos = str(tokenizer.bos_token)
    raw.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single=f"{bos} $A {END}",
        special_tokens=[(token, raw.token_to_id(token)) for token in (bos, END)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token=tokenizer.pad_token, bos_token=bos, eos_token=END,
        padding_side="right", model_max_length=LONGEST, clean_up_tokenization_spaces=False,
    )  # fmt: skip


def processor(tokenizer: PreTrainedTokenizerFast) -> Any:
    """The whole processor, with the pictures' side as the llava make has it."""
    images = hf.CLIPImageProcessor(**CLIP_IMAGES, do_center_crop=False)
    return hf.CLIPProcessor(images, text_tokenizer(tokenizer))


def untrained(words: PreTrainedTokenizerFast, vision: dict[str, Any]) -> Any:
    """A whole ``CLIPModel`` with random weights, from torch's global generator."""
    text = hf.CLIPTextConfig(
        hidden_size=WIDE, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4,
        max_position_embeddings=LONGEST, hidden_act="gelu", projection_dim=WIDE,
        vocab_size=len(words), pad_token_id=words.pad_token_id,
        bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id,
    )  # fmt: skip
    config = hf.CLIPConfig(text_config=text.to_dict(), vision_config=vision, projection_dim=WIDE)
    return CLIPModel._from_config(config)


class Twins(nn.Module):
    """Both encoders and the tower's head: what the contrastive stage trains."""

    def __init__(self, model: Any, head: nn.Module) -> None:
        super().__init__()
        self.model, self.head = model, head

    def loss(self, pairs: Pairs) -> Tensor:
        """The contrastive loss, plus a share of the dense patch loss."""
        model = self.model
        with torch.autocast("cpu", torch.bfloat16):
            seen = model.vision_model(pixel_values=normal(pairs.pictures.pixels))
            dense = dense_loss(self.head(seen.last_hidden_state[:, 1:]), pairs.pictures)
            # Text is causal and padded right: its end sees no padding, so no mask is needed.
            said = model.text_projection(model.text_model(input_ids=pairs.tokens).pooler_output)
            shown = model.visual_projection(seen.pooler_output)
        scale = model.logit_scale.clamp(max=SHARPEST).exp()
        alike = F.normalize(shown.float(), dim=-1) @ F.normalize(said.float(), dim=-1).T
        return contrast(scale * alike, pairs.true) + DENSE_WEIGHT * dense


def contrast(similarity: Tensor, true: Tensor) -> Tensor:
    """Each picture tells its caption from those that are false of it, and the other way round."""
    own = torch.arange(len(similarity))
    others = true & (own[:, None] != own)
    logits = similarity.masked_fill(others, -torch.inf)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def twins_of(dense: DenseTower, made: Any) -> Twins:
    """An untrained model with a pretrained tower in it."""
    model = lean(untrained(made.tokenizer, dense.tower.config.to_dict()))
    model.vision_model.load_state_dict(dense.tower.state_dict())
    return Twins(model, dense.head)


def clip_stage(twins: Twins, made: Any, seed: int, steps: int, batch: int) -> Stage[Pairs]:
    """Pictures and captions; the tower goes on learning, more slowly."""
    draw = partial(pairs, words=made.tokenizer, seed=seed, size=batch)
    return Stage(
        name="clip", module=twins, batch=draw, loss=twins.loss, steps=steps, rate=1e-3,
        slow=("model.vision_model", "head"),
    )  # fmt: skip


def pairs(step: int, *, words: PreTrainedTokenizerFast, seed: int, size: int) -> Pairs:
    """The batch of one step, from seeds beyond those of the language stages."""
    first = ((2 * SEEDS + seed) << 32) + step * size
    scenes = [drawn(first + i, worded=WORD_SHARE) for i in range(size)]
    said = [one(np.random.default_rng([scene.seed, 13]), scene) for scene in scenes]
    claims = [frozenset(read(text) or ()) for text in said]
    true = [[claim <= known for claim in claims] for known in map(facts, scenes)]
    return Pairs(Pictures.of(scenes), _tokens(words, said)["input_ids"], torch.tensor(true))


def drawn(seed: int, *, worded: float = 0.0, shift: bool = False) -> Scene:
    """One to three different things, and a word now and then."""
    rng = np.random.default_rng([seed, 17])
    chosen = rng.permutation(len(NOUNS))[: int(rng.integers(1, 4))]
    word = NOUNS[int(rng.integers(len(NOUNS)))] if rng.random() < worded else None
    return compose(rng, seed, [NOUNS[i] for i in chosen], word, shift=shift)


def _tokens(words: Any, texts: Sequence[str]) -> Any:
    return words(list(texts), padding=True, truncation=True, return_tensors="pt")


@torch.no_grad()
def retrieval(
    folder: Path | str, n: int = 500, *, shift: bool = False, seed: int = 0, batch: int = 50
) -> Retrieval:
    """Retrieval among ``n`` held-out scenes of up to three things and their plain captions."""
    made: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
    loaded: Any = CLIPModel.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, attn_implementation="eager"
    )
    model: Any = loaded.eval()
    scenes = [drawn(s, shift=shift) for s in seeds(n, first=(seed * 64 + RETRIEVAL) << 20)]
    captions = [every(scene)[0] for scene in scenes]
    shown: list[Tensor] = []
    said: list[Tensor] = []
    for k in range(0, n, batch):
        pictures = [Image.fromarray(render(scene)) for scene in scenes[k : k + batch]]
        seen = made.image_processor(pictures, return_tensors="pt")
        shown.append(model.get_image_features(**seen).pooler_output)
        heard = _tokens(made.tokenizer, captions[k : k + batch])
        said.append(model.get_text_features(**heard).pooler_output)
    alike = F.normalize(torch.cat(shown), dim=-1) @ F.normalize(torch.cat(said), dim=-1).T
    return recall(alike, captions)


def recall(similarity: Tensor, captions: Sequence[str]) -> Retrieval:
    """Recall at one of a ``[n, n]`` similarity, pictures by captions; equal captions are one."""
    numbers = torch.tensor([captions.index(text) for text in captions])
    to_text = numbers[similarity.argmax(1)] == numbers
    to_image = numbers[similarity.argmax(0)] == numbers
    return Retrieval(float(to_text.double().mean()), float(to_image.double().mean()), len(captions))
