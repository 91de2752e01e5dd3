"""Without a trace a search costs what halving costs: exactly, on average over all steps, whatever the suspicion."""

from __future__ import annotations

import random

import pytest

from git_metadiff.bisect.search import (
    UNTRACED,
    Answer,
    Known,
    Order,
    Prior,
    allowance,
    choose,
    free_half,
    plain_tests,
)


def count_tests(order: Order, prior: Prior, guilty: int) -> int:
    """How many tests find a step of a line."""
    answers: dict[int, Answer] = {len(order) - 1: "bad"}
    for tests in range(len(order)):
        budget = max(1, allowance(len(order), UNTRACED) - tests)
        verdict = choose(order, prior, Known.of(answers), budget=budget, fair=True)
        if verdict.done:
            assert verdict.suspects == (guilty,)
            return tests
        answers[verdict.points[0]] = "bad" if guilty <= verdict.points[0] else "good"
    raise AssertionError("it never ends")


@pytest.mark.parametrize("count", [2, 3, 5, 12, 37, 64, 65, 100])
def test_suspicion_that_is_wrong_costs_nothing(count: int) -> None:
    order, chance = Order.line(count), random.Random(count)
    for weights in ([chance.random() ** 6 for _ in range(count)], [1.0] + [0.0] * (count - 1)):
        prior = Prior(weights, UNTRACED)
        ours = sum(count_tests(order, prior, guilty) for guilty in range(count))
        assert ours == sum(plain_tests(order, guilty) for guilty in range(count))


def test_suspicion_that_is_right_still_helps() -> None:
    order = Order.line(100)
    weights = [1.0 if at % 10 == 3 and at < 40 else 0.0 for at in range(100)]
    prior = Prior(weights, UNTRACED)
    suspected = [at for at, weight in enumerate(weights) if weight]
    ours, plain = (
        sum(count_tests(order, prior, at) for at in suspected),
        sum(plain_tests(order, at) for at in suspected),
    )
    assert ours < plain


def test_the_smaller_side_that_is_free() -> None:
    assert [free_half(count) for count in (2, 3, 4, 5, 6, 8, 9, 12, 16, 17)] == [1, 1, 2, 2, 2, 4, 4, 4, 8, 8]
