"""What an endpoint's log-probabilities say of a text, and nothing that they do not say."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sallet.models.logprobs import UNSEEN, followed


def place(token: str, logp: float, *others: tuple[str, float], raw: bool = False) -> dict[str, Any]:
    listed = [{"token": t, "logprob": p} for t, p in ((token, logp), *others)]
    shown = {"token": token, "logprob": logp, "top_logprobs": listed}
    return {**shown, "bytes": list(token.encode())} if raw else shown


def reply(*places: Any) -> dict[str, Any]:
    return {"choices": [{"message": {}, "logprobs": {"content": list(places)}}]}


def test_an_answer_that_says_the_text_gives_its_whole_log_probability():
    shown = reply(place("a", -0.1), place(" red", -0.2), place(" cat", -0.3), place(".", -5.0))
    assert followed(shown, "a red cat") == pytest.approx(-0.6)


def test_where_the_answer_leaves_the_text_the_rest_was_not_seen():
    shown = reply(place("a", -0.1), place(" dog", -0.4, (" red", -1.5)), place(" runs", -0.2))
    assert followed(shown, "a red cat") == pytest.approx(-0.1 - 1.5 + UNSEEN * 4 / 9)


def test_further_is_nearer():
    start = followed(reply(place("no", -0.1, ("a", -3.0))), "a red cat")
    later = followed(reply(place("a", -0.7), place(" dog", -0.1, (" red", -3.0))), "a red cat")
    whole = followed(reply(place("a", -0.7), place(" red", -0.7), place(" cat", -1.0)), "a red cat")
    assert start is not None
    assert later is not None
    assert whole is not None
    assert start < later < whole


def test_a_token_that_is_not_listed_is_no_likelier_than_those_that_are():
    few = followed(reply(place("no", math.log(0.9), ("yes", math.log(0.04)))), "a red cat")
    # 0.06 is left, but the least of the listed is 0.04.
    assert few == pytest.approx(math.log(0.04) + UNSEEN)
    sure = followed(reply(place("no", math.log(0.9), ("yes", math.log(0.09)))), "a red cat")
    assert sure == pytest.approx(math.log(0.01) + UNSEEN)


def test_tokens_that_both_begin_the_text_count_together():
    shown = reply(place("no", math.log(0.5), ("a", math.log(0.2)), (" a", math.log(0.1))))
    assert followed(shown, "a") == pytest.approx(math.log(0.3))


def test_a_character_may_be_spread_over_tokens():
    half, rest = "é".encode()[:1], "é".encode()[1:]
    odd = {"token": "\\xc3", "bytes": list(half), "logprob": -0.1, "top_logprobs": []}
    end = {"token": "\\xa9", "bytes": list(rest), "logprob": -0.2, "top_logprobs": None}
    assert followed(reply(odd, end), "é") == pytest.approx(-0.3)


def test_white_space_before_the_first_word_is_no_word():
    shown = reply(place("\n", -0.5), place(" red", -0.2, raw=True))
    assert followed(shown, "red") == pytest.approx(-0.2)


@pytest.mark.parametrize(
    "shown",
    [
        None,
        {},
        {"choices": []},
        {"choices": [{"message": {}}]},
        {"choices": [{"logprobs": None}]},
        {"choices": [{"logprobs": {"content": None}}]},
        {"choices": [{"logprobs": {"content": []}}]},
        {"choices": [{"logprobs": {"tokens": ["a"], "token_logprobs": [-0.1]}}]},
        reply("a", 3),
        reply({"token": 7, "logprob": -0.1}),
        reply({"token": "a", "logprob": "high"}),
        reply({"token": "a", "logprob": float("nan")}),
    ],
)
def test_what_shows_none_has_no_score(shown: Any):
    assert followed(shown, "a red cat") is None


def test_a_server_that_gives_positive_values_for_rounding_gives_no_more_than_certainty():
    assert followed(reply(place("red", 1e-7)), "red") == 0
