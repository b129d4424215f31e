"""A checkpoint's name, looked for once: a folder here, the hub's, or what is left in its cache.

The libraries that load it would try the network five times for each of its files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sallet.core.errors import ModelError, WrongModel

WAIT = 10.0
"""Seconds until the hub counts as out of reach."""


def options(source: str, file: str = "config.json") -> dict[str, Any]:
    """What `from_pretrained` of this source is to be given; an error if nobody has it.

    A hub name is asked for at the hub, once, and stands for the commit that it has now. Where the
    hub cannot be reached, only what was fetched before is taken.
    """
    if Path(source).expanduser().is_dir():
        return {}
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
    )

    expected = f"{source} is no folder here; expected a checkpoint's folder or a hub name"
    try:
        commit = get_hf_file_metadata(hf_hub_url(source, file), timeout=WAIT).commit_hash
    except HFValidationError:
        raise WrongModel(f"{expected}, and a hub name is owner/name") from None
    except GatedRepoError:
        raise WrongModel(
            f"{source} is gated: accept its licence on the hub, then log in (`hf auth login`)"
        ) from None
    except RepositoryNotFoundError:
        raise WrongModel(
            f"{expected}, and the hub gives none of that name: it is misspelt, or private (then "
            "log in: `hf auth login`); `sallet doctor` lists known names"
        ) from None
    except RemoteEntryNotFoundError:
        raise WrongModel(f"{source} has no {file} on the hub; give a checkpoint") from None
    except Exception as error:  # its client has changed the library that it asks with before
        kept = try_to_load_from_cache(source, file)
        if isinstance(kept, str):  # .../snapshots/<commit>/config.json
            return {"local_files_only": True, "revision": Path(kept).parent.name}
        raise ModelError(
            f"{expected}; the hub cannot be reached ({_reason(error)}) and nothing of it was "
            "fetched before; give a folder, or fetch it where there is a network"
        ) from None
    return {"revision": commit} if commit else {}


def of_weights(given: dict[str, Any]) -> dict[str, Any]:
    """The same for a model class, which looks for adapters of its own accord."""
    return {**given, "adapter_kwargs": given} if given else {}


def _reason(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
