"""Why a request gets no answer: one status, one code and one fixed text for each reason.

Nothing of the request, of the upstream's words or of a library's message is ever in a text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sallet.core.errors import MediaError, SalletError


@dataclass(frozen=True)
class Reason:
    """What a client is told."""

    status: int
    text: str


REASONS: Final[dict[str, Reason]] = {
    # the request itself
    "bad-json": Reason(400, "the body is not a JSON object; send one"),
    "not-json": Reason(415, "the content type is not application/json; send JSON, not compressed"),
    "too-large": Reason(413, "the body has more bytes than are taken; send less"),
    "too-slow-body": Reason(408, "the body took too long to arrive; send it again"),
    "bad-field": Reason(400, "a field is missing or has a value that is not taken"),
    "bad-messages": Reason(400, "the messages are not a chat with at least one user turn"),
    "too-many-messages": Reason(400, "the chat has more turns or parts than are taken"),
    "unsupported-part": Reason(400, "only text and images are taken; leave other parts out"),
    "bad-image-url": Reason(400, "an image is no data URL of a picture in strict base64"),
    "fetching-denied": Reason(400, "images are not fetched from there; send them as data URLs"),
    "fetch-failed": Reason(400, "an image could not be fetched; send it as a data URL"),
    "flagged-image": Reason(400, "an image has something that this service does not take"),
    "not-repaired": Reason(400, "an image is not taken as it is; save it again as a plain PNG"),
    "no-vision": Reason(400, "this model takes no images; send text"),
    # who asks, and how often
    "no-key": Reason(401, "the API key is missing or not known"),
    "not-found": Reason(404, "there is nothing at this path"),
    "wrong-method": Reason(405, "this path does not take this method"),
    "unknown-model": Reason(404, "this model is not served here"),
    "too-often": Reason(429, "too many requests; wait as long as Retry-After says"),
    "busy": Reason(429, "too much is waiting; try again as Retry-After says"),
    # the guard
    "guard-failed": Reason(503, "the guard could not look at this request; nothing was forwarded"),
    "audit-failed": Reason(503, "the record of this request could not be written; no answer"),
    "limits-failed": Reason(503, "the count of requests cannot be reached; nothing was forwarded"),
    "closing": Reason(503, "the service is starting or ending; try again"),
    "deadline": Reason(504, "the deadline for this request passed"),
    "left": Reason(499, "the client left before the answer was there"),
    "internal": Reason(500, "the service failed; nothing more was forwarded"),
    # the model server
    "upstream-down": Reason(502, "the model server cannot be reached"),
    "upstream-broken": Reason(502, "the model server sent no answer that can be read"),
    "upstream-slow": Reason(504, "the model server took too long"),
    "upstream-rejected": Reason(400, "the model server does not take this request"),
    "upstream-busy": Reason(429, "the model server has too much to do; try again later"),
}
REASONS.update(
    {
        error.code: Reason(413 if error.code == "too-many-bytes" else 400, error.text)
        for error in MediaError.__subclasses__()
    }
)


class Refused(SalletError):
    """The request ends here. `retry_after` is in seconds; `field` is a name of ours.

    `answered` is the model server's own status, for the operator alone.
    """

    def __init__(
        self,
        code: str,
        *,
        retry_after: float | None = None,
        field: str | None = None,
        answered: int | None = None,
    ) -> None:
        self.code, self.retry_after, self.field = code, retry_after, field
        self.answered = answered
        super().__init__(REASONS[code].text)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return REASONS[self.code].status


def of_media(error: MediaError) -> Refused:
    """The refusal of a file, by its code alone."""
    return Refused(error.code if error.code in REASONS else "broken")
