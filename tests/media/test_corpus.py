"""Every hostile or odd file is refused with a fixed text, or repaired to the expected pixels."""

from __future__ import annotations

import re
import traceback

import numpy as np
import pytest

from sallet.core.errors import MediaError
from sallet.media.audio import CanonicalAudio, canonical_audio
from sallet.media.canonical import Canonical, canonical
from sallet.media.encode import encode
from sallet.media.worker import Workers
from tests.media.conftest import LIMITS
from tests.media.corpus import ENTRIES
from tests.media.corpus.build import SECRET
from tests.media.corpus.entry import Entry
from tests.media.corpus.sound import wav

ADDRESS = re.compile(r"0x[0-9a-f]+")
REFUSED = [entry for entry in ENTRIES if entry.refused]
REPAIRED = [entry for entry in ENTRIES if not entry.refused]


def name(entry: Entry) -> str:
    return entry.name


def through(entry: Entry, workers: Workers | None) -> Canonical | CanonicalAudio:
    data = entry.made()
    if entry.sound and workers:
        return workers.canonical_audio(data, claimed=entry.claimed)
    if entry.sound:
        return canonical_audio(data, limits=LIMITS, claimed=entry.claimed)
    if workers:
        return workers.canonical(data, sees=entry.sees, claimed=entry.claimed)
    return canonical(data, limits=LIMITS, sees=entry.sees, claimed=entry.claimed)


def test_the_corpus_is_large_and_its_names_are_distinct():
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES) >= 300


@pytest.mark.parametrize("entry", REFUSED, ids=name)
@pytest.mark.parametrize("where", ["worker", "here"])
def test_it_is_refused_and_nothing_leaks(entry: Entry, where: str, workers: Workers):
    assert entry.refused is not None
    with pytest.raises(MediaError) as caught:
        through(entry, workers if where == "worker" else None)
    error = caught.value
    assert type(error) is entry.refused
    assert str(error) == entry.refused.text
    assert error.__cause__ is None
    assert error.__context__ is None
    said = "".join(traceback.format_exception_only(error))
    assert not ADDRESS.search(said)
    assert SECRET.decode() not in "".join(traceback.format_exception(error))
    assert workers.peak < LIMITS.memory


@pytest.mark.parametrize("entry", REPAIRED, ids=name)
def test_it_is_repaired_to_what_is_expected(entry: Entry, workers: Workers):
    made = through(entry, workers)
    assert entry.expected is not None
    if isinstance(made, Canonical):
        found = made.image.pixels()
    else:
        found = np.rint(made.audio.wave.numpy() * 32767)
        assert made.audio.rate == entry.rate
    assert found.shape == entry.expected.shape
    assert np.abs(found.astype(int) - entry.expected).max() <= entry.tolerance
    assert made.flags == entry.flags
    assert workers.peak < LIMITS.memory
    here = through(entry, None)
    assert (here.digest, here.flags, here.format) == (made.digest, made.flags, made.format)


@pytest.mark.parametrize("entry", REPAIRED, ids=name)
def test_what_is_canonical_stays_as_it_is(entry: Entry):
    once = through(entry, None)
    if isinstance(once, CanonicalAudio):
        samples = np.rint(once.audio.wave.numpy() * 32767).astype(np.int16)
        again: Canonical | CanonicalAudio = canonical_audio(wav(samples, rate=once.audio.rate))
        assert (again.digest, again.flags) == (once.digest, frozenset())
        return
    for data in (encode(once.image), encode(once.image, pack=True)):
        again = canonical(data, sees=entry.sees, claimed="image/png")
        assert (again.digest, again.flags) == (once.digest, frozenset())
        assert SECRET not in data
