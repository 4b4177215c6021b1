"""The contract of `ports.task_protection`, for memory and for the ECS agent's endpoint over real HTTP."""

import pytest

from tests.support.clock import SteeredClock
from tests.support.ecs_agent import EcsAgent
from tests.support.memory_ports import MemoryTaskProtection
from websocket_handler.adapters.aws.ecs_protection import EcsTaskProtection
from websocket_handler.ports.task_protection import TaskProtection

MINUTE_S = 60


@pytest.fixture(params=["memory", "ecs"])
def protection(request: pytest.FixtureRequest, clock: SteeredClock, agent: EcsAgent) -> TaskProtection:
    """A task that nobody has protected yet."""
    return MemoryTaskProtection(clock) if request.param == "memory" else EcsTaskProtection(agent.uri)


@pytest.mark.asyncio
async def test_a_task_is_protected_from_its_asking_until_its_release(protection: TaskProtection) -> None:
    """Releasing is idempotent, also for a task that never was protected."""
    assert not await protection.is_protected()
    await protection.release()
    await protection.protect(10)
    assert await protection.is_protected()
    await protection.release()
    await protection.release()
    assert not await protection.is_protected()


@pytest.mark.asyncio
async def test_protection_expires_on_its_own(protection: TaskProtection, clock: SteeredClock) -> None:
    """A task that hangs is not protected for ever."""
    await protection.protect(10)
    clock.advance(10 * MINUTE_S - 1)
    assert await protection.is_protected()
    clock.advance(1)
    assert not await protection.is_protected()


@pytest.mark.asyncio
async def test_asking_again_begins_the_time_anew(protection: TaskProtection, clock: SteeredClock) -> None:
    """Renewing neither adds to the time that is left nor keeps the old end."""
    await protection.protect(10)
    clock.advance(9 * MINUTE_S)
    await protection.protect(10)
    clock.advance(9 * MINUTE_S)
    assert await protection.is_protected()
    clock.advance(MINUTE_S)
    assert not await protection.is_protected()
