"""Calls the hooks of the user's App: coroutine functions in the event loop, others in threads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from secrets import token_hex
from typing import TypeVar

from realtime_message.callback.bound_hooks import BoundHook
from realtime_message.callback.exchange import Exchange
from realtime_message.callback.hook_failures import HookFailures
from realtime_message.centrifugo.events import MalformedEventError, ProxyEvent
from realtime_message.centrifugo.replies import Code
from realtime_message.errors import Disconnect, Refuse
from realtime_message.telemetry.logs import get_logger

R = TypeVar("R")

_log = get_logger("callback.hooks")


class HookRunner:
    """Calls hooks, and answers in their place when they raise.

    Args:
        max_threads: how many hooks that are no coroutine functions may run at once. Such a hook
            cannot be stopped at its deadline: it keeps its thread until it returns.
    """

    def __init__(self, max_threads: int) -> None:
        self._threads = ThreadPoolExecutor(max_threads, thread_name_prefix="hook")
        self._failures = HookFailures()

    def close(self) -> None:
        """Let go of the threads; what waits for one is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def run(
        self,
        exchange: Exchange,
        hook: BoundHook,
        event: ProxyEvent,
        reply_type: type[R],
        then: Callable[[R | None], None],
    ) -> None:
        """Call a hook in a task, then go on with what it returned.

        Args:
            exchange: what is answered if the hook raises, returns something else, or takes longer
                than the deadline.
            hook: the user's function and what it takes.
            event: what it is called with.
            reply_type: what it may return, beside None.
            then: called with its reply.
        """
        exchange.run(self._run(exchange, hook, event, reply_type, then))

    async def _run(
        self,
        exchange: Exchange,
        hook: BoundHook,
        event: ProxyEvent,
        reply_type: type[R],
        then: Callable[[R | None], None],
    ) -> None:
        try:
            then(_checked(await self._call(hook, event), hook, reply_type))
        except (Refuse, Disconnect) as signal:
            exchange.obey(signal)
        except MalformedEventError as error:  # the hook looked at data that is not JSON
            exchange.refuse(Code.INVALID_PAYLOAD, str(error))
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            # A CancelledError before the deadline is of something that the hook awaited.
            is_late = exchange.is_answered and isinstance(error, asyncio.CancelledError)
            names = {"proxy_event": exchange.event, "client": event.client}
            if is_late:
                _log.warning("hook.timed_out", hook=hook.name, **names)
                raise
            request_id = token_hex(4)
            exchange.fail(Code.INTERNAL_ERROR, f"internal error (request {request_id})")
            self._failures.tell(hook.name, error, **names, request_id=request_id)

    async def _call(self, hook: BoundHook, event: ProxyEvent) -> object:
        if hook.is_async:
            return await hook.call(event)
        loop = asyncio.get_running_loop()
        # With this task's context variables, as in a handler's thread.
        run = copy_context().run
        reply = await loop.run_in_executor(self._threads, lambda: run(hook.call, event))
        # A coroutine function behind an ordinary decorator returns what is to be awaited.
        return await reply if inspect.isawaitable(reply) else reply


def _checked(reply: object, hook: BoundHook, reply_type: type[R]) -> R | None:
    if reply is None or isinstance(reply, reply_type):
        return reply
    raise TypeError(
        f"{hook.name} returned {type(reply).__name__}; it may return {reply_type.__name__} or None"
    )
