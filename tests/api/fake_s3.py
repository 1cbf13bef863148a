"""As much of S3 as the artifact store needs; files appear once they are whole."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import formatdate

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.datastructures import QueryParams

_XML = "application/xml"


class FakeS3:
    """Keeps objects by path, and parts by upload."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.port = 0

    @property
    def environment(self) -> dict[str, str]:
        """What a cloud would put into the environment of a process."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "access-key-of-these-tests",
            "AWS_SECRET_ACCESS_KEY": "secret-key-of-these-tests",
            "AWS_REGION": "eu-west-1",
        }

    async def answer(self, path: str, request: Request) -> Response:
        query, body = request.query_params, await request.body()
        match request.method:
            case "PUT":
                return self._put(path, query, body)
            case "POST":
                return self._post(path, query, body)
            case "DELETE":
                self.uploads.pop(query["uploadId"])
                return Response(status_code=204)
        if "list-type" in query:
            return self._list(path, query.get("prefix", ""))
        return self._get(path)

    def _list(self, bucket: str, prefix: str) -> Response:
        """Answer with all keys at once; a real one pages after a thousand."""
        found = {
            key: content
            for path, content in self.objects.items()
            if (key := path.removeprefix(f"{bucket}/")).startswith(prefix)
        }
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        contents = "".join(
            f"<Contents><Key>{key}</Key><LastModified>{now}</LastModified>"
            f"<ETag>{_tag(content)}</ETag><Size>{len(content)}</Size></Contents>"
            for key, content in found.items()
        )
        return Response(
            f"<ListBucketResult><KeyCount>{len(found)}</KeyCount>"
            f"<IsTruncated>false</IsTruncated>{contents}</ListBucketResult>",
            media_type=_XML,
        )

    def _put(self, path: str, query: QueryParams, body: bytes) -> Response:
        if "uploadId" in query:
            self.uploads[query["uploadId"]][int(query["partNumber"])] = body
        else:
            self.objects[path] = body
        return Response(headers={"ETag": _tag(body)})

    def _post(self, path: str, query: QueryParams, body: bytes) -> Response:
        if "delete" in query:
            return self._delete(path, body.decode())
        if "uploads" in query:
            return self._begin()
        return self._complete(query["uploadId"], path)

    def _delete(self, bucket: str, wanted: str) -> Response:
        keys = re.findall("<Key>(.*?)</Key>", wanted)
        for key in keys:
            self.objects.pop(f"{bucket}/{key}", None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        return Response(f"<DeleteResult>{deleted}</DeleteResult>", media_type=_XML)

    def _begin(self) -> Response:
        upload_id = f"upload-{len(self.uploads)}"
        self.uploads[upload_id] = {}
        return Response(
            "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>"
            f"<UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>",
            media_type=_XML,
        )

    def _complete(self, upload_id: str, path: str) -> Response:
        parts = self.uploads.pop(upload_id)
        self.objects[path] = b"".join(parts[number] for number in sorted(parts))
        tag = _tag(self.objects[path])
        return Response(
            f"<CompleteMultipartUploadResult><ETag>{tag}</ETag>"
            "</CompleteMultipartUploadResult>",
            media_type=_XML,
        )

    def _get(self, path: str) -> Response:
        content = self.objects.get(path)
        if content is None:
            return Response(
                "<Error><Code>NoSuchKey</Code></Error>", status_code=404, media_type=_XML
            )
        headers = {"ETag": _tag(content), "Last-Modified": formatdate(usegmt=True)}
        return Response(content, headers=headers)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Answer on a free port while the context lasts."""
        app = FastAPI()
        app.api_route("/{path:path}", methods=["GET", "HEAD", "PUT", "POST", "DELETE"])(
            self.answer
        )
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        self.port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.should_exit = True
            await task


def _tag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
