"""The tables of each defence on its own: what it costs, what it leaves, and which none outdoes."""

from __future__ import annotations

from pathlib import Path

from table_cells import NOTHING, Cell, find, rate, rate_of, table

WORDS, PICTURE, WORD = "world/harmful-text", "world/picture", "world/typographic"
WHERE, BENIGN = "world/where", "world/benign"
FRONT = "•"


def costs(found: list[Cell]) -> str:
    """Right answers, refusals by who wrote them, model answers and time."""
    lines: list[list[str]] = []
    for name in names(found):
        own = {"defense": name, "attack": "none"}
        benign = find(found, benchmark=BENIGN, **own)
        where = find(found, benchmark=WHERE, **own)
        if benign is None or where is None:
            continue
        lines.append([
            f"`{name}`",
            *(rate_of(find(found, benchmark=one, **own), "utility")
              for one in (WHERE, "world/caption", "world/presence")),
            *_refusals(benign),
            f"{where['calls_per_answer']:.3g}",
            f"{1000 * where['seconds_per_answer']:.0f}",
        ])  # fmt: skip
    head = [
        "", "what is where", "captions", "presence", "benign, refused by the model",
        "by the defence", "answers", "milliseconds",
    ]  # fmt: skip
    return table(head, lines)


def _refusals(benign: Cell) -> tuple[str, str]:
    """By the model, by whatever else."""
    rates = dict(benign["refusal_rates"])
    model = rates.pop("model", None)
    other = max(rates.values(), default=None)
    return tuple(rate(one) if one else "0 %" for one in (model, other))  # type: ignore[return-value]


def harm(found: list[Cell]) -> str:
    """Harmful requests that were answered: as they are, then optimised."""
    lines: list[list[str]] = []
    for name in names(found):
        cells = [cell for cell in found if cell["defense"] == name and cell["goal"] == "jailbreak"]
        lines.append([
            f"`{name}`",
            _rate(cells, WORDS, "none"),
            *(f"{_rate(cells, form, 'none')} / {_rate(cells, form, 'pgd', knowing=True)}"
              for form in (PICTURE, WORD)),
            f"{_rate(cells, WORDS, 'pgd')} / {_rate(cells, WORDS, 'pgd', knowing=True)}",
            " / ".join(
                _rate(cells, WORDS, "universal", access=access)
                for access in ("oblivious", "transfer")
            ),
            _rate(cells, WORDS, "word-swap", knowing=True),
        ])  # fmt: skip
    head = [
        "", "in words", "in the picture: as it is / PGD, knowing",
        "in a rendered word: as it is / PGD, knowing", "in words, PGD: blind / knowing",
        "in words, a shared picture: made here / on another family",
        "in words, words swapped, knowing",
    ]  # fmt: skip
    return table(head, lines)


def lost(found: list[Cell]) -> str:
    """Right answers that were lost, the control first."""
    lines: list[list[str]] = []
    for name in names(found):
        cells = [
            cell
            for cell in found
            if cell["defense"] == name and cell["benchmark"] == WHERE and cell["attack"] != "none"
        ]
        lines.append([
            f"`{name}`",
            _rate(cells, WHERE, "uniform-noise"),
            f"{_rate(cells, WHERE, 'pgd')} / {_rate(cells, WHERE, 'pgd', knowing=True)}",
            _rate(cells, WHERE, "pgd-vote", knowing=True),
            f"{_rate(cells, WHERE, 'patch')} / {_rate(cells, WHERE, 'patch', knowing=True)}",
        ])  # fmt: skip
    head = [
        "", "uniform noise", "PGD: blind / knowing", "as many views as win, knowing",
        "patch: blind / knowing",
    ]  # fmt: skip
    return table(head, lines)


def prefixes(found: list[Cell]) -> str:
    """The purifier alone, and behind each prefix: what is left, and what it costs."""
    lines: list[list[str]] = []
    keys = [(cell["defense"], cell["params"].get("defense.source", "")) for cell in found]
    for key in dict.fromkeys(keys):
        cells = [cell for cell, its in zip(found, keys, strict=True) if its == key]
        harmed = [cell for cell in cells if cell["goal"] == "jailbreak"]
        asked = [cell for cell in cells if cell["attack"] == "none"]
        written = f", {Path(key[1]).stem}" if "/" in key[1] else ""
        lines.append([
            f"`{key[0]}`{written}",
            *(_rate(harmed, form, "none") for form in (PICTURE, WORD)),
            f"{_rate(harmed, WORDS, 'pgd')} / {_rate(harmed, WORDS, 'pgd', knowing=True)}",
            _rate(cells, WHERE, "pgd"),
            rate_of(find(asked, benchmark=BENIGN), "over_refusal"),
            *(rate_of(find(asked, benchmark=one), "utility") for one in (WHERE, "world/caption")),
        ])  # fmt: skip
    head = [
        "", "harm in the picture", "in a rendered word", "in words, PGD: blind / knowing",
        "untargeted PGD, blind", "over-refusal", "what is where", "captions",
    ]  # fmt: skip
    return table(head, lines)


def front(found: list[Cell]) -> str:
    """What each lets through on average, to the blind and to the knowing; `•` where no other is as
    good in success, over-refusal and time, and better in one."""
    points: dict[str, tuple[float, float | None, float, float]] = {}
    for name in names(found):
        own = [cell for cell in found if cell["defense"] == name]
        where = find(own, benchmark=WHERE, attack="none")
        benign = find(own, benchmark=BENIGN, attack="none")
        if where is None or benign is None:
            continue
        points[name] = (
            _mean(_blind(own)), _knowing(own), benign["over_refusal"][0],
            where["seconds_per_answer"],
        )  # fmt: skip
    lines: list[list[str]] = []
    for name, (blind, knowing, refused, seconds) in points.items():
        marks: list[str] = []
        for axis in (0, 1):
            others = [
                (point[axis], *point[2:]) for key, point in points.items() if key != name
            ]  # fmt: skip
            mine = points[name][axis]
            marks.append(
                NOTHING if mine is None
                else FRONT if not any(_beats(o, (mine, refused, seconds)) for o in others)
                else ""
            )  # fmt: skip
        lines.append([
            f"`{name}`", _percent(blind), marks[0],
            NOTHING if knowing is None else _percent(knowing), marks[1],
            _percent(refused), f"{1000 * seconds:.0f}",
        ])  # fmt: skip
    head = [
        "", "blind: mean success", "front", "knowing: mean success", "front", "over-refusal",
        "milliseconds",
    ]  # fmt: skip
    return table(head, lines)


def _beats(one: tuple[float | None, float, float], other: tuple[float, float, float]) -> bool:
    if one[0] is None:
        return False
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)  # type: ignore[operator]


def _blind(own: list[Cell]) -> list[float]:
    """Each setting of an attacker who does not know the defence."""
    kept = [
        cell
        for cell in own
        if cell["asr"] and cell["access"] != "adaptive" and cell["attack"] != "uniform-noise"
        and (cell["attack"] != "none" or cell["goal"] == "jailbreak")
    ]  # fmt: skip
    return [cell["asr"][0] for cell in kept]


def _knowing(own: list[Cell]) -> float | None:
    """The most that any attacker got of harm in words, and of right answers; None where nobody
    knew the defence."""
    most: list[float] = []
    for benchmark in (WORDS, WHERE):
        cells = [
            cell
            for cell in own
            if cell["benchmark"] == benchmark and cell["asr"] and cell["attack"] != "uniform-noise"
            and (cell["attack"] != "none" or cell["goal"] == "jailbreak")
        ]  # fmt: skip
        undefended = own[0]["defense"] == "none"
        if not undefended and not any(cell["access"] == "adaptive" for cell in cells):
            return None
        most.append(max(cell["asr"][0] for cell in cells))
    return _mean(most)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def names(found: list[Cell]) -> list[str]:
    """Each defence once, in the order of the cells."""
    return list(dict.fromkeys(cell["defense"] for cell in found))


def _rate(
    cells: list[Cell], benchmark: str, attack: str, knowing: bool = False, access: str = ""
) -> str:
    """The rate of the cell, or a dash."""
    fitting = [
        cell
        for cell in cells
        if (cell["benchmark"], cell["attack"]) == (benchmark, attack)
        and (cell["access"] == "adaptive") == knowing
        and (not access or cell["access"] == access)
    ]
    if len(fitting) > 1:
        raise SystemExit(f"{len(fitting)} cells of {attack} on {benchmark}; be more exact")
    return rate_of(fitting[0]) if fitting else NOTHING
