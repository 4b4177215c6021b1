"""The console page and its files, under a policy that lets nothing else run."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


class ConsoleRoutes:
    """Serves the files of the folder, found once at start: no path of a request reaches the file system."""

    def __init__(self) -> None:
        folder = Path(__file__).parent / "console"
        self._files = {path.name: path for path in folder.iterdir() if path.suffix in MEDIA_TYPES}

    async def page(self, _request: Request) -> Response:
        """The page itself."""
        return self._file("index.html")

    async def asset(self, request: Request) -> Response:
        """A style sheet or a script."""
        return self._file(request.path_params["name"])

    def _file(self, name: str) -> Response:
        path = self._files.get(name)
        if path is None:
            raise HTTPException(404)
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=HEADERS)
