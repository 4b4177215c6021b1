"""Retries are a share of the first tries."""

from websocket_handler.adapters.overload.budget import BudgetOptions, RetryBudget

OPTIONS = BudgetOptions(share=0.1, per_second=2.0, most=3.0)


def spent(budget: RetryBudget, now: float) -> int:
    """How many retries there are at this moment."""
    count = 0
    while budget.take(now):
        count += 1
    return count


def test_what_is_saved_up_can_be_spent_and_not_one_more() -> None:
    assert spent(RetryBudget(OPTIONS), 0.0) == 3


def test_ten_first_tries_pay_for_one_retry() -> None:
    budget = RetryBudget(OPTIONS)
    spent(budget, 0.0)
    for _ in range(9):
        budget.first_try()
    assert spent(budget, 0.0) == 0
    budget.first_try()
    budget.first_try()  # ten times a tenth is a little less than one
    assert spent(budget, 0.0) == 1


def test_every_second_pays_for_two() -> None:
    budget = RetryBudget(OPTIONS)
    spent(budget, 10.0)
    assert spent(budget, 10.4) == 0
    assert spent(budget, 11.0) == 2


def test_no_more_is_saved_up_than_the_maximum() -> None:
    budget = RetryBudget(OPTIONS)
    for _ in range(1000):
        budget.first_try()
    assert spent(budget, 0.0) == 3
    assert spent(budget, 1000.0) == 3


def test_a_store_that_fails_every_call_gets_a_tenth_more_and_two_a_second() -> None:
    budget = RetryBudget()
    spent(budget, 0.0)
    retries = 0
    for call in range(10_000):
        budget.first_try()
        retries += spent(budget, call / 100)
    assert 0.99 * (1000 + 200) <= retries <= 1000 + 200
