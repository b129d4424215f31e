from __future__ import annotations

import pytest

from sallet.core.errors import StoreError
from sallet.report import words
from sallet.report.cautions import cautions
from sallet.report.curves import plots
from sallet.report.figures import costs, groups, refusals
from sallet.report.reading import reading
from sallet.report.summary import read


def cell(**changes) -> dict:
    values = {
        "model": "m", "attack": "pgd", "access": "oblivious", "defense": "jpeg",
        "benchmark": "b", "goal": "targeted", "norm": "linf", "eps": 8.0, "params": {},
        "n": 100, "unassessed": 0, "asr": [0.1, 0.05, 0.2], "refused_by": {},
        "calls_per_answer": 1.0, "seconds_per_answer": 0.1,
    }  # fmt: skip
    return {**values, **changes}


def grouped(*cells: dict):
    return groups(read({"recipe": "r", "cells": list(cells)}).cells)


def test_worst_is_the_largest_over_attacks_and_knowledge_but_never_the_control():
    (group,) = grouped(
        cell(),
        cell(access="adaptive", asr=[0.4, 0.3, 0.5]),
        cell(access="adaptive", attack="apgd", asr=[0.6, 0.5, 0.7]),
        cell(access="transfer", source="other", asr=[0.2, 0.1, 0.3]),
        cell(access="none", attack="uniform-noise", asr=[0.9, 0.8, 1.0]),
    )
    (line,) = group.lines
    assert line.adaptive.key.attack == line.worst.key.attack == "apgd"
    assert line.oblivious.asr[0] == 0.1
    assert line.control.asr[0] == 0.9


def test_a_curve_goes_along_what_its_axis_says():
    """Defences have steps, too, and attacks a sigma; neither is turned up here."""
    other = {"steps": 10, "sigma": 0.5, "defense.steps": 3}
    cells = [cell(params={**other, "defense.sigma": sigma}) for sigma in (0.1, 0.2)]
    cells += [cell(params={"defense.steps": steps}) for steps in (3, 5)]
    cells += [cell(attack="nes", params={"sigma": sigma}) for sigma in (0.1, 0.2)]
    (plot,) = plots(read({"recipe": "r", "cells": cells}).cells)
    assert ("pgd" in plot.title, plot.axis) == (True, "sigma of the defence")
    assert [label for _, label in plot.ticks] == ["0.1", "0.2"]


def test_a_missing_adaptive_figure_stays_missing():
    (group,) = grouped(cell())
    assert group.lines[0].adaptive is None
    assert "no more than a first look" in " ".join(reading([group], ()))


def test_a_run_that_attacks_nothing_is_read_aloud():
    plain = {"attack": "none", "access": "none", "goal": None, "norm": None, "eps": None}
    bare = cell(**plain, defense="none", asr=None, utility=[0.9, 0.8, 0.95])
    cells = read({"recipe": "r", "cells": [bare]}).cells
    (said,) = reading(groups(cells), costs(cells))
    assert "Nobody attacks" in said
    assert "`b` right" in said
    assert words.full((0.9, 0.8, 0.95)) in said


def test_an_adaptive_cell_without_a_verdict_is_measured_but_has_no_rate():
    (group,) = grouped(cell(), cell(access="adaptive", asr=None, unassessed=100))
    assert words.asr(group.lines[0].adaptive) == words.UNASSESSED
    assert group.lines[0].worst.asr[0] == 0.1


def test_budgets_are_never_mixed_but_where_nothing_was_optimised():
    harm = {"benchmark": "h", "goal": "jailbreak"}
    as_is = {"attack": "none", "access": "none", "norm": None, "eps": None}
    small, large, plain = grouped(
        cell(**harm, **as_is, asr=[0.1, 0.0, 0.2]),
        cell(**harm, eps=4.0, access="adaptive", asr=[0.5, 0.4, 0.6]),
        cell(**harm, eps=16.0, access="adaptive", asr=[0.9, 0.8, 1.0]),
    )
    assert plain.lines[0].adaptive.key.eps == 16.0
    assert plain.lines[0].elsewhere
    assert small.lines[0].worst.asr[0] == 0.5
    assert large.lines[0].oblivious is None


def test_one_defence_with_two_settings_is_two():
    weak, strong = ({"defense.sigma": s, "steps": 9} for s in (0.1, 0.2))
    (group,) = grouped(cell(params=weak), cell(params=strong), cell(defense="resize"))
    assert [x.defense for x in group.lines] == ["jpeg (sigma 0.1)", "jpeg (sigma 0.2)", "resize"]


def test_costs_come_from_benign_unattacked_cells_alone(summary):
    found = costs(read(summary).cells)
    assert len(found) == 10
    screen = next(cost for cost in found if cost.defense == "screen")
    assert set(screen.refused_by) == {"defense:screen"}
    assert dict(screen.utility).keys() == {"world/where", "world/benign"}


def test_who_refused_is_summed_by_name():
    cells = read(
        {"cells": [cell(refused_by={"model": 2, "none": 5}), cell(refused_by={"defense:x": 3})]}
    ).cells
    assert refusals(cells) == {"defense:x": 3, "model": 2}


def test_cautions_name_flags_unassessed_rows_and_missing_figures():
    cells = read(
        {"cells": [cell(flags=["zero-gradient: 3 of 100"], unassessed=4), cell(n=10, eps=4.0)]}
    ).cells
    found = {c.slug: c for c in cautions(cells, groups(cells), {"zero-gradient": "it was blind"})}
    assert found["zero-gradient"].meaning == "it was blind"
    assert "3 of 100" in found["zero-gradient"].places[0]
    assert {"unassessed", "few", "no-adaptive", "no-control"} <= found.keys()


@pytest.mark.parametrize("broken", [{}, {"cells": [{"model": "m"}]}, {"cells": [cell(n="many")]}])
def test_what_is_no_summary_is_said_in_one_line(broken):
    with pytest.raises(StoreError, match=r"summary"):
        read(broken)


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0"), (1, "100"), (0.999, "99.9"), (0.9999, "99.9"), (0.0001, "0.1"), (0.504, "50")],
)
def test_a_share_that_is_not_all_never_reads_as_all(share, shown):
    assert words.percent(share) == f"{shown}\u00a0%"


def test_the_first_line_names_any_model_from_outside():
    assert words.first_line(["world/a", "world/b"]) == words.WORLD
    assert words.first_line(["world/a", "org/big"]) == "Measured on world/a and org/big."
