"""The server's routes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request

from fathomline.predictor.predictor import Predictor
from fathomline.serve.answer_json import PictureAnswers, answers_of, tables
from fathomline.serve.downloads import DOWNLOADS, Download, written
from fathomline.serve.form import Intake
from fathomline.serve.guard import LOOPBACK, Guard
from fathomline.serve.limits import Limits
from fathomline.serve.model_json import ModelDescription, description_of
from fathomline.serve.openapi import FORM, RESPONSES
from fathomline.serve.refused import Refused
from fathomline.serve.service import Answered, Service
from fathomline.version import __version__

PAGE = Path(__file__).parent / "page"
FILES = {"/": "index.html"} | {f"/{name}": name for name in ("page.css", "boxes.js", "answers.js", "page.js")}
"""The files of the page by their address; no other file is ever sent."""

Result = TypeVar("Result")
Render = Callable[[Answered], Response]
"""Turns answers into a response; runs in a thread."""


class Health(BaseModel):
    """Whether the server is running."""

    status: str


def make_app(predictor: Predictor, limits: Limits, names: Sequence[str] | None = LOOPBACK) -> FastAPI:
    """The server. Args: names, the host names that clients may use; None for any."""
    service, intake = Service(predictor, limits), Intake(limits)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    # The usual pages of the documentation load scripts from other servers.
    app = FastAPI(
        title="fathomline",
        version=__version__,
        description="Identifies marine animals in pictures, with a probability at every rank.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(Guard, names=names)
    _add_errors(app)
    _add_page(app)
    description = description_of(predictor, limits)

    @app.get("/health", summary="Whether the server is running")
    async def health() -> Health:
        return Health(status="ok")

    @app.get("/model", summary="The model, its taxa, and the server's limits")
    async def model() -> ModelDescription:
        return description

    async def respond(request: Request, render: Render) -> Response:
        async with intake.received(request) as form:
            answered = await _unless_gone(request, service.answered(form))
            return await service.in_thread(partial(render, answered))

    @app.post("/predict", summary="Answers for the boxes of a picture", response_model=PictureAnswers, **_FORM_ROUTE)
    async def predict(request: Request) -> Response:
        return await respond(request, lambda answered: _json(answers_of(answered, predictor.bundle.name)))

    @app.post("/answers/{name}", summary="The same answers as a file", response_class=Response, **_FORM_ROUTE)
    async def answers(request: Request, name: str) -> Response:
        if name not in DOWNLOADS:
            raise Refused(404, f"Unknown format; choose one of {', '.join(DOWNLOADS)}.")
        return await respond(request, partial(_file, DOWNLOADS[name], predictor))

    return app


_FORM_ROUTE: dict[str, Any] = {"openapi_extra": {"requestBody": FORM}, "responses": RESPONSES}


def _json(answers: PictureAnswers) -> Response:
    return Response(answers.model_dump_json(), media_type="application/json")


def _file(download: Download, predictor: Predictor, answered: Answered) -> Response:
    found = tables(answered)
    if not len(found.answered):
        raise Refused(400, f"No box can be answered: {found.skipped['reason'].iloc[0]}.")
    headers = {"Content-Disposition": f'attachment; filename="{download.file}"'}
    return Response(written(download, found, predictor), media_type=download.media_type, headers=headers)


async def _unless_gone(request: Request, work: Awaitable[Result]) -> Result:
    """Wait for `work`; cancel it if the client closes the connection."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_page(app: FastAPI) -> None:
    for address, file in FILES.items():
        app.add_api_route(address, partial(_page_file, file), include_in_schema=False, response_class=FileResponse)


async def _page_file(file: str) -> FileResponse:
    return FileResponse(PAGE / file)


def _add_errors(app: FastAPI) -> None:
    """Report each error as one sentence."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        return JSONResponse({"detail": error.sentence}, error.status, headers)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it

    @app.exception_handler(404)
    async def not_found(_: Request, error: HTTPException) -> Response:
        return JSONResponse({"detail": "There is nothing at this address; the page is at /."}, 404)

    @app.exception_handler(405)
    async def not_allowed(_: Request, error: HTTPException) -> Response:
        sentence = "This address does not accept this method; POST pictures to /predict."
        return JSONResponse({"detail": sentence}, 405, error.headers)

    @app.exception_handler(500)
    async def failed(_: Request, error: Exception) -> Response:
        # uvicorn closes the connection; a client that is not told would send its next request over it.
        headers = {"Connection": "close"}
        return JSONResponse({"detail": "The server failed on this request; its log says why."}, 500, headers)
