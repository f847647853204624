"""Which recipes a notebook is made of."""

from __future__ import annotations

from itertools import accumulate

from . import classes, code, flow, outside, values
from .writer import Writer

SUBJECTS = (values.RECIPES, code.RECIPES + classes.RECIPES, flow.RECIPES, outside.RECIPES)
#: Without these little happens.
ALWAYS = {values.bind, values.alias, values.change_list}


def choose(writer: Writer) -> tuple[list, list[float]]:
    """A random part of the recipes, each subject more or less often, with the sums of their weights."""
    chosen, weights = [], []
    for recipes in SUBJECTS:
        emphasis = writer.pick((0.0, 0.3, 1.0, 1.0, 2.0)) if recipes is not values.RECIPES else 1.0
        for weight, recipe in recipes:
            if recipe in ALWAYS or (emphasis and writer.chance(0.7)):
                chosen.append(recipe)
                weights.append(weight * (emphasis or 1.0))
    return chosen, list(accumulate(weights))
