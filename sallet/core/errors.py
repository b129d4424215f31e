"""The error tree. A message says what was expected, what came, and what to do.

SalletError
├── UsageError            the command line or a call was wrong (exit code 2)
│   ├── RecipeError       a recipe names an unknown key, or a value out of range
│   └── UnknownName       a name that the catalogue does not have
├── InputError            bytes from outside are not what they claim to be
│   └── MediaError        an image or a sound is refused; its text is fixed for each class
│       ├── TooManyBytes, TooManyPixels, TooMuchSound, TooManyParts    over a limit
│       ├── UnknownFormat, Mismatch                                    not read here, or mislabelled
│       ├── Broken                                                     damaged or cut off
│       └── TooSlow, TooMuchMemory                                     costs too much to decode
├── ModelError            a model folder or a checkpoint cannot be used
│   ├── WrongModel        what was named is none that can be (a UsageError, too)
│   └── NoGradient        this model or stage gives no gradient
├── RemoteError           an endpoint failed or answered nonsense
├── ContractError         a defence or a worker broke the contract of `Via`
└── StoreError            a run folder cannot be written
    ├── WrongFolder       it holds no run, or one that was not meant (a UsageError, too)
    └── OtherRecipe       or it belongs to another recipe (a UsageError, too)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class SalletError(Exception):
    """Base of every error that Sallet raises on purpose; its text is one line for a user."""


class UsageError(SalletError):
    """What the user asked for cannot be done as asked."""


class RecipeError(UsageError):
    """A recipe or its flags are wrong."""


class UnknownName(UsageError):
    """A name that is not in a table; the message suggests the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")
        self.kind, self.name = kind, name


class InputError(SalletError):
    """An image, a sound or a file from outside is unreadable or out of limits."""


class MediaError(InputError):
    """A media part is refused. `code` names the reason for programs.

    The text is one constant for each class: nothing of the file, of its path or of a library's
    own message is in it, because it may be sent to a stranger. A caller whose user owns the file
    says `where` it is; that is put in front.
    """

    code: ClassVar[str] = "refused"
    text: ClassVar[str] = "the file is refused; send another"

    def __init__(self, where: object = None) -> None:
        super().__init__(self.text if where is None else f"{where}: {self.text}")


class TooManyBytes(MediaError):
    """The encoded file is longer than the limit."""

    code = "too-many-bytes"
    text = "the file has more bytes than are taken; scale it down or compress it more"


class TooManyPixels(MediaError):
    """The header announces more pixels, or a longer side, than the limits."""

    code = "too-many-pixels"
    text = "the image has more pixels or a longer side than are taken; scale it down"


class TooMuchSound(MediaError):
    """The header announces a longer sound, more channels or another rate than the limits."""

    code = "too-much-sound"
    text = (
        "the sound is longer, or has more channels or another sampling rate, than is taken; "
        "shorten it, or convert it to 48 kHz stereo"
    )


class TooManyParts(MediaError):
    """A query has more images and sounds than the limit."""

    code = "too-many-parts"
    text = "the query has more images and sounds than are taken; send fewer"


class UnknownFormat(MediaError):
    """The first bytes are of no format, or no variant of a format, that is read here."""

    code = "unknown-format"
    text = (
        "the format is not read here, only PNG, JPEG, WebP and GIF images and WAV, FLAC and MP3 "
        "sounds are; convert it to PNG or WAV"
    )


class Mismatch(MediaError):
    """The bytes are not of the type that they were said to be."""

    code = "mismatch"
    text = "the data are not of the type that they are said to be; name their real type"


class Broken(MediaError):
    """Damaged, contradictory, empty of content, or cut off before its end."""

    code = "broken"
    text = "the file is broken or cut off; save it again and retry"


class TooSlow(MediaError):
    """The deadline passed before the file was decoded."""

    code = "too-slow"
    text = "the file took too long to decode; save it again in a simpler form"


class TooMuchMemory(MediaError):
    """The memory limit was reached before the file was decoded."""

    code = "too-much-memory"
    text = "the file took too much memory to decode; scale it down"


class ModelError(SalletError):
    """A model cannot be loaded or cannot take this query."""


class WrongModel(ModelError, UsageError):
    """What was named is no checkpoint, or none of a kind that is taken here."""


class NoGradient(ModelError):
    """No gradient can be had here; the message names the attacks that remain."""


class RemoteError(SalletError):
    """An endpoint could not be reached, or its reply was not one."""


class ContractError(SalletError):
    """A defence or a worker broke the contract; a fault of the code, not of the input."""


class StoreError(SalletError):
    """A run folder cannot be used."""


class WrongFolder(StoreError, UsageError):
    """The folder that was named holds no run, or already holds one."""


class OtherRecipe(StoreError, UsageError):
    """The folder holds the run of another recipe than the one that was given."""
