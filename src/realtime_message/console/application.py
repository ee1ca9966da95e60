"""The console's pages by their paths. Every one of them only reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from realtime_message.ages import parse_age
from realtime_message.console.guard import ConsoleGuard
from realtime_message.console.html import Child, element
from realtime_message.console.letter_reader import LetterReader
from realtime_message.console.overview_keeper import OverviewKeeper
from realtime_message.console.pages.frame import Frame
from realtime_message.console.pages.letters import (
    FILTERS,
    filter_form,
    letter_content,
    letters_content,
)
from realtime_message.console.pages.overview import overview_content
from realtime_message.console.pages.parked import parked_content
from realtime_message.console.pages.partition import partition_content
from realtime_message.console.pages.workers import workers_content
from realtime_message.console.remark import Review
from realtime_message.errors import StreamsError
from realtime_message.settings import Settings
from realtime_message.streams.dead_letter_filter import LetterCriteria
from realtime_message.streams.dead_letters import parse_name

LETTERS_PER_PAGE = 25

_FILES = Path(__file__).parent / "files"
#: No field of the form needs more.
_MAX_FILTER_CHARACTERS = 1000


def create_console_app(
    keeper: OverviewKeeper, letters: LetterReader, review: Review, settings: Settings, where: str
) -> Starlette:
    """Return the ASGI app that serves the console.

    Args:
        keeper: knows the latest overview.
        letters: reads dead letters.
        review: says what needs attention.
        settings: password, limits, how often pages are refreshed.
        where: the server, without its password.
    """
    pages = _Pages(keeper, letters, review, settings, where)
    console = settings.console
    return Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/partitions/{partition:int}", pages.partition),
            Route("/workers", pages.workers),
            Route("/dead-letters", pages.letters),
            Route("/dead-letters/{name}", pages.letter),
            Route("/parked", pages.parked),
            Route("/health", pages.health),
            Mount("/files", StaticFiles(directory=_FILES)),
        ],
        middleware=[
            Middleware(ConsoleGuard, password=console.password, allowed_hosts=console.allowed_hosts)
        ],
        exception_handlers={HTTPException: pages.http_error, StreamsError: pages.redis_error},
    )


class _Pages:
    """The answers."""

    def __init__(
        self,
        keeper: OverviewKeeper,
        letters: LetterReader,
        review: Review,
        settings: Settings,
        where: str,
    ) -> None:
        self._keeper = keeper
        self._letters = letters
        self._review = review
        self._settings = settings
        self._where = where

    async def overview(self, _: Request) -> Response:
        overview = self._keeper.kept.overview
        content: list[Child] = []
        if overview is not None:
            content = overview_content(overview, self._review(overview), self._settings.redis)
        return self._live("Overview", "/", content)

    async def partition(self, request: Request) -> Response:
        overview, number = self._keeper.kept.overview, request.path_params["partition"]
        content: list[Child] = []
        if overview is not None:
            if number >= len(overview.partitions):
                raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no partition {number}.")
            content = partition_content(overview.partitions[number], overview)
        return self._live(f"Partition {number}", "", content)

    async def workers(self, _: Request) -> Response:
        overview = self._keeper.kept.overview
        content = workers_content(overview) if overview else []
        return self._live("Workers", "/workers", content)

    async def parked(self, _: Request) -> Response:
        overview = self._keeper.kept.overview
        content = parked_content(overview) if overview else []
        return self._live("Parked channels", "/parked", content)

    async def letters(self, request: Request) -> Response:
        title, way = "Dead letters", "/dead-letters"
        asked = _asked(request.query_params)
        after = request.query_params.get("after", "")
        try:
            criteria = _criteria(asked)
            place = parse_name(after) if after else None
        except ValueError as error:
            form = filter_form(asked, mistake=str(error))
            return self._still(title, way, [form], HTTPStatus.BAD_REQUEST)
        found = await self._letters.find_page(criteria, LETTERS_PER_PAGE, place)
        next_after = found[-1].name if len(found) == LETTERS_PER_PAGE else None
        return self._still(title, way, letters_content(found, asked, next_after))

    async def letter(self, request: Request) -> Response:
        name = request.path_params["name"]
        try:
            place = parse_name(name)
        except ValueError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"{error}.") from None
        letter = await self._letters.find(*place)
        if letter is None:
            raise HTTPException(
                HTTPStatus.NOT_FOUND,
                f"There is no dead letter {name}: it was replayed or purged, or never was there.",
            )
        return self._still(f"Dead letter {name}", "/dead-letters", letter_content(letter))

    async def health(self, _: Request) -> Response:
        # The console itself is well also while Redis is not.
        redis = "answers" if self._keeper.kept.is_current else "does not answer"
        return JSONResponse({"status": "ok", "redis": redis})

    async def http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - as registered above
        status = HTTPStatus(error.status_code)
        detail = error.detail if error.detail != status.phrase else f"{request.url.path}: no page."
        return self._still(status.phrase, "", [element("p", detail, class_="calm")], status)

    async def redis_error(self, _: Request, error: Exception) -> Response:
        # It follows, though what it stands for does not: so it ends with its cause.
        content = [element("p", f"They cannot be read now: {error}.", class_="calm")]
        text = self._frame().page("Dead letters", "/dead-letters", content)
        return HTMLResponse(text, HTTPStatus.SERVICE_UNAVAILABLE)

    def _live(self, title: str, way: str, content: Sequence[Child]) -> Response:
        shown = content or element("p", "Nothing was seen yet.", class_="calm")
        return HTMLResponse(self._frame().page(title, way, shown))

    def _still(
        self, title: str, way: str, content: Sequence[Child], status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        return HTMLResponse(self._frame().page(title, way, content, is_live=False), status)

    def _frame(self) -> Frame:
        console = self._settings.console
        return Frame(self._keeper.kept, console.refresh_seconds, self._where)


def _asked(query: Mapping[str, str]) -> dict[str, str]:
    """Return what is looked for; empty fields look for nothing."""
    given = {name: query.get(name, "").strip()[:_MAX_FILTER_CHARACTERS] for name in FILTERS}
    return {name: text for name, text in given.items() if text}


def _criteria(asked: Mapping[str, str]) -> LetterCriteria:
    """Return what the fields mean. Raises ValueError with what is wrong."""
    partition = asked.get("partition")
    if partition is not None and not (partition.isascii() and partition.isdigit()):
        raise ValueError(f"{partition}: expected the number of a partition")
    older, younger = asked.get("older_than"), asked.get("younger_than")
    return LetterCriteria(
        channel=asked.get("channel", ""),
        error=asked.get("error", ""),
        reason=asked.get("reason", ""),
        older_seconds=parse_age(older) if older else None,
        younger_seconds=parse_age(younger) if younger else None,
        partition=int(partition) if partition else None,
    )
