"""Several equal requests side by side, of which the first response decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bot.model.manifest import Answer

_STAGGER_SECONDS = 0.3


async def first_answer(
    request: Callable[[], Awaitable[Answer]],
    is_good: Callable[[Answer], bool],
    requests: int,
    stagger: float = _STAGGER_SECONDS,
) -> Answer:
    """The first response. Another request starts whenever there was none for a moment.

    Only requests without any response are passed over: a bad response is one, and of responses that arrive
    together the bad one counts. Cancels the requests that still run.
    """
    running: set[asyncio.Future[Answer]] = set()
    unanswered: list[Answer] = []
    started = 0
    try:
        while started < requests or running:
            if started < requests:
                running.add(asyncio.ensure_future(request()))
                started += 1
            timeout = stagger if started < requests else None
            done, running = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            answers = [task.result() for task in done]
            responses = [answer for answer in answers if answer.status is not None]
            if responses:
                return next((answer for answer in responses if not is_good(answer)), responses[0])
            unanswered += answers
            if any(not answer.timed_out for answer in answers) and not running:
                break  # refused at once: the next request would be as well
        return unanswered[-1]
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
