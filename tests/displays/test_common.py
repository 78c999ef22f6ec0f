"""Promises of every display."""

import inspect

import pytest

from hierseg_learn import displays
from hierseg_learn.displays import Display
from hierseg_learn.displays._base import ExplanationDisplay
from tests.explain.fitted import fitted_portraits

DISPLAYS = [
    getattr(displays, name)
    for name in displays.__all__
    if name.endswith("Display") and name != "Display"
]
OF_EXPLANATIONS = [cls for cls in DISPLAYS if issubclass(cls, ExplanationDisplay)]


@pytest.mark.parametrize("cls", DISPLAYS)
def test_public_displays_are_complete(cls):
    assert issubclass(cls, Display)
    assert not inspect.isabstract(cls)


@pytest.mark.parametrize("cls", OF_EXPLANATIONS)
def test_displays_of_explanations_draw_and_describe_them(cls, plt):
    fitted = fitted_portraits()
    shown = cls.from_estimator(fitted.model, fitted.test[0][:1])
    assert shown.figure_ is shown.ax_.figure
    assert shown.alt_text
    figure, ax = plt.subplots()
    assert shown.plot(ax) is shown
    assert shown.ax_.figure is figure
    assert shown.figure_ is figure
