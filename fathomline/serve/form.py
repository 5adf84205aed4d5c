"""Receive a form with a picture: within the limits, in memory, and checked."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, FiniteFloat, TypeAdapter, ValidationError
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from fathomline.decide.decode import CandidateSet, DecoderName
from fathomline.errors import shown, visible
from fathomline.serve.limits import FORM_OVERHEAD, Limits
from fathomline.serve.refused import Refused
from fathomline.taxonomy.ranks import Rank

LONGEST_NAME = 200
"""Characters of a picture's name that are kept, and that a taxon's name may have: looking up a name of many words takes
time that grows with the square of their number, and no other request is served meanwhile."""

MOST_TAXA = 500
"""Names in `taxa`: they are looked up for each restriction of a box."""

Box = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
_BOXES: TypeAdapter[list[Box]] = TypeAdapter(list[Box])
_WITHIN: TypeAdapter[list[str | None]] = TypeAdapter(list[str | None])


class Fields(BaseModel):
    """The fields of the form other than `image`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    boxes: str | None = None
    within: str | None = None
    taxa: str | None = None
    top: Annotated[int, Ge(0), Le(1000)] = 5
    decoder: DecoderName | None = None
    candidates: CandidateSet | None = None
    rank_floor: Rank | None = None


@dataclass(frozen=True)
class PictureForm:
    """A complete form."""

    image: bytes
    name: str
    """The picture's file name, without folders."""
    boxes: tuple[Box, ...] | None
    """x, y, width and height in pixels of the upright picture; None for the whole picture."""
    within: tuple[str | None, ...]
    """The clade that the answer must come from, for each box; None for any."""
    taxa: tuple[str, ...]
    top: int
    decoder: DecoderName | None
    candidates: CandidateSet | None
    rank_floor: Rank | None


class _InMemory(MultiPartParser):
    """Starlette writes larger files to the disk; the limits keep them small enough for the memory."""

    spool_max_size = 2**40


class Intake:
    """Counts the bytes of all requests in memory."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._bytes = 0

    @asynccontextmanager
    async def received(self, request: Request) -> AsyncIterator[PictureForm]:
        """Receive the form of `request`. Raises Refused if it is too large, too slow, or malformed."""
        counted = _Counted(self, request)
        try:
            async with asyncio.timeout(self.limits.receive_seconds):
                form = await _form(request, counted.chunks(), self.limits)
        except TimeoutError:
            self._bytes -= counted.bytes
            raise Refused(
                408, f"The request took longer than {self.limits.receive_seconds:g} seconds to arrive; send it again."
            ) from None
        except BaseException:
            self._bytes -= counted.bytes
            raise
        try:
            yield form
        finally:
            self._bytes -= counted.bytes

    def add(self, count: int) -> None:
        """Count the bytes of one request. Raises Refused if all requests together have too many."""
        if self._bytes + count > self.limits.received_bytes:
            raise Refused(429, "The server is receiving too many pictures at once; try again in a moment.", 2)
        self._bytes += count


class _Counted:
    """The body of a request, and how much of it has arrived."""

    def __init__(self, intake: Intake, request: Request) -> None:
        self.intake = intake
        self.request = request
        self.bytes = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        most = self.intake.limits.picture_bytes + FORM_OVERHEAD
        stated = self.request.headers.get("content-length", "0")
        if stated.isdecimal() and int(stated[:18]) > most:
            raise _too_large(self.intake.limits)
        async for chunk in self.request.stream():
            if self.bytes + len(chunk) > most:
                raise _too_large(self.intake.limits)
            self.intake.add(len(chunk))
            self.bytes += len(chunk)
            yield chunk


async def _form(request: Request, chunks: AsyncGenerator[bytes, None], limits: Limits) -> PictureForm:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Refused(
            415,
            f"The request has the content type {shown(kind)}; send a form as multipart/form-data, with a file `image`.",
        )
    parser = _InMemory(
        request.headers, chunks, max_files=1, max_fields=len(Fields.model_fields) + 1, max_part_size=FORM_OVERHEAD
    )
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError, KeyError, UnicodeError) as error:
        sentence = visible(getattr(error, "message", "")) or "it is not complete or not well-formed"
        raise Refused(400, f"The form cannot be read: {sentence.rstrip('.')}; send one picture as `image`.") from None
    try:
        return await _checked(form, limits)
    finally:
        await form.close()


async def _checked(form: FormData, limits: Limits) -> PictureForm:
    body, name = await _image(form, limits)
    texts: dict[str, str] = {}
    for key, value in form.multi_items():
        if key == "image":
            continue
        if key in texts:
            raise Refused(400, f"The form has `{shown(key)[1:-1]}` more than once; send it once.")
        if not isinstance(value, str):
            raise Refused(
                400, f"The form has a file `{shown(key)[1:-1]}`; send the picture as `image`, everything else as text."
            )
        texts[key] = value
    try:
        fields = Fields.model_validate({key: value for key, value in texts.items() if value != ""})
    except ValidationError as error:
        raise Refused(400, _sentence(error, tuple(Fields.model_fields))) from None
    boxes = None if fields.boxes is None else _boxes(fields.boxes, limits)
    rest = fields.model_dump(include={"top", "decoder", "candidates", "rank_floor"})
    taxa = tuple(dict.fromkeys(filter(None, (name.strip() for name in (fields.taxa or "").split(",")))))
    if len(taxa) > MOST_TAXA:
        raise Refused(400, f"`taxa` has {len(taxa)} names, more than {MOST_TAXA}; send a taxon above them instead.")
    within = _within(fields.within, 1 if boxes is None else len(boxes))
    if max(map(len, (*taxa, *filter(None, within))), default=0) > LONGEST_NAME:
        raise Refused(400, f"`taxa` or `within` has a name of more than {LONGEST_NAME} characters; send known names.")
    return PictureForm(image=body, name=name, boxes=boxes, within=within, taxa=taxa, **rest)


async def _image(form: FormData, limits: Limits) -> tuple[bytes, str]:
    image = form.get("image")
    if isinstance(image, str):
        if image.strip().lower().startswith(("http:", "https:", "data:", "file:")):
            raise Refused(400, "`image` is a URL, which the server does not open; send the picture itself as a file.")
        raise Refused(400, "`image` is text; send the picture as a file.")
    if not isinstance(image, UploadFile):
        raise Refused(400, "The form has no `image`; send the picture as a file.")
    if (image.size or 0) > limits.picture_bytes:
        raise _too_large(limits)
    last = (image.filename or "").replace("\\", "/").rstrip("/").rpartition("/")[2]
    return await image.read(), visible(last)[-LONGEST_NAME:] or "picture"


def _boxes(text: str, limits: Limits) -> tuple[Box, ...]:
    try:
        boxes = _BOXES.validate_json(text, strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = "".join(f"[{part}]" for part in fault["loc"] if isinstance(part, int))
        raise Refused(
            400, f"`boxes{place}`: {fault['msg'].rstrip('.')}; expected a list of [x, y, width, height] in pixels."
        ) from None
    if not boxes:
        raise Refused(400, "`boxes` is empty; leave it out for the whole picture.")
    if len(boxes) > limits.boxes:
        raise Refused(
            413, f"The request has {len(boxes)} boxes, more than {limits.boxes}; send them in several requests."
        )
    return tuple(boxes)


def _within(text: str | None, count: int) -> tuple[str | None, ...]:
    """One name for all boxes, or a JSON list with a name or null for each."""
    if text is None or not text.lstrip().startswith("["):
        return (text,) * count
    try:
        names = _WITHIN.validate_json(text)
    except ValidationError:
        raise Refused(400, "`within` is not a list of names; send one name, or a JSON list of names.") from None
    if len(names) != count:
        raise Refused(400, f"`within` has {len(names)} names for {count} boxes; send one for each, or one for all.")
    return tuple(name or None for name in names)


def _sentence(error: ValidationError, known: tuple[str, ...]) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = visible(str(fault["loc"][0]))[:40]
    if fault["type"] == "extra_forbidden":
        return f"The form has an unknown field `{field}`; known fields: image, {', '.join(known)}."
    return f"`{field}`: {fault['msg'].rstrip('.')}."


def _too_large(limits: Limits) -> Refused:
    return Refused(413, f"The picture has more than {limits.picture_bytes / 2**20:g} MiB; send a smaller one.")
