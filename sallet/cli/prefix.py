"""`sallet train prefix`: CoDefend's prefix, fixed or written for each request."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from sallet.cli.progress import bar
from sallet.core.errors import UsageError


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the text or the generator is written."""
    from sallet import catalog
    from sallet.core.compose import Nothing
    from sallet.defenses.purify import CoDefend
    from sallet.harness.parts import Parts
    from sallet.runs.recipe import Spec
    from sallet.train.cases import Hostile, cases_of
    from sallet.train.reward import Reward

    if args.fixed != (args.out.suffix == ".json"):
        raise UsageError("with --fixed --out is a .json file, without it a folder")
    model = Parts().model(Spec(args.model))
    judge = catalog.build("judge", "world")
    began = time.monotonic()
    cases = cases_of(model, judge, args.limit, args.seed, Hostile(args.eps))
    below: Any = Nothing()
    if args.purifier:
        below = CoDefend(args.purifier)
    reward = Reward(model, judge, below, args.penalty)
    bare = reward.mean(cases, "")
    made = {"model": args.model, "cases": len(cases), "purifier": args.purifier or None}
    found = (_fixed if args.fixed else _generator)(args, model, cases, reward, made)
    print(f"{args.out}: mean reward {bare:.3f} without a prefix, {found:.3f} with it")
    if args.json:
        seconds = round(time.monotonic() - began, 1)
        print(json.dumps({"out": str(args.out), "bare": bare, "reward": found, "seconds": seconds}))
    return 0


def _fixed(args: argparse.Namespace, model: Any, cases: Any, reward: Any, made: Any) -> float:
    from sallet.defenses.prefix import FORMAT
    from sallet.train.prefix_search import Search
    from sallet.world.instructions import SAFETY_HELD_OUT

    search = Search(rounds=args.rounds, tries=args.tries, seed=args.seed)
    with bar("prefix") as moved:
        text, score = search.run(reward, cases, args.start or SAFETY_HELD_OUT, moved)
    card = {"format": FORMAT, "kind": "fixed", "text": text, "reward": round(score, 4)}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps({**card, "trained": made}, indent=1) + "\n", encoding="utf-8")
    return score


def _generator(args: argparse.Namespace, model: Any, cases: Any, reward: Any, made: Any) -> float:
    from sallet.defenses.prefix import Prefix, write
    from sallet.train.prefix import Settings, Training, tower

    settings = Settings(warm=args.warm, steps=args.steps, kl=args.kl, seed=args.seed)
    base, tokenizer = _loaded(args.base) if args.base else tower(model)
    training = Training(base, tokenizer, settings)
    text = args.warm_text or Prefix().fixed or ""
    requests = sorted({case.query.user_text for case in cases})
    with bar("prefix") as moved:
        training.warm(requests, text, moved)
        training.improve(cases, reward, moved)
    texts = {one: write(training.model, tokenizer, one, settings.tokens) for one in requests}
    rewards = reward.of(cases, [texts[case.query.user_text] for case in cases])
    training.save(args.out, {**made, "warm_text": text})
    return sum(rewards) / len(rewards)


def _loaded(name: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from sallet.models import hub

    fetched = hub.options(name)
    base = AutoModelForCausalLM.from_pretrained(
        name, dtype=torch.float32, **hub.of_weights(fetched)
    )
    return base, AutoTokenizer.from_pretrained(name, **fetched)
