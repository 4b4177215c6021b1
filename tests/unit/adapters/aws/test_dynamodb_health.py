"""What the answers of the table say about it."""

import pytest

from websocket_handler.adapters.aws.dynamodb_health import NOT_LOOKED_UP, Health
from websocket_handler.adapters.aws.errors import AwsError, Fault

THROTTLED = AwsError(Fault.TRANSIENT, "ThrottlingException", "slow down")
DENIED = AwsError(Fault.DENIED, "AccessDeniedException", "no")


def test_it_is_not_known_before_the_first_answer() -> None:
    health = Health()
    assert health.failure == NOT_LOOKED_UP
    health.worked(is_write=False)
    assert health.failure is None


def test_a_read_does_not_heal_what_a_write_found() -> None:
    health = Health()
    health.failed(THROTTLED, is_write=True)
    health.worked(is_write=False)
    found = health.failure
    health.worked(is_write=True)
    assert [found, health.failure] == [str(THROTTLED), None]
    assert not health.is_write_failing


@pytest.mark.parametrize(("error", "is_told"), [(THROTTLED, False), (DENIED, True)])
def test_of_a_failed_read_only_what_is_about_the_table_counts(error: AwsError, is_told: bool) -> None:
    health = Health()
    health.worked(is_write=True)
    health.failed(error, is_write=False)
    assert (health.failure is not None) is is_told
    assert not health.is_write_failing
