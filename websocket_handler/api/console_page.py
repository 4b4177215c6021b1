"""The console page and its files, with a content security policy that lets no other code run."""

import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
LOOPBACK_NAMES = ("127.0.0.1", "localhost")
"""`[::1]` is missing, because a policy cannot name it (CSP Level 3 section 2.3.1)."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Vary": "Host",
}
PAGES = frozenset({"overview", "runs", "approvals", "projects", "connections", "queues", "agents", "nodes", "chaos"})
"""Pages beside the log. They are one file, which looks at its address; `console/src/router.ts` has the same list."""
READ_ONLY = (b'<html lang="en">', b'<html lang="en" data-console="read">')
"""What changes in the page if it may only show; `console/src/mode.ts` reads it."""
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def content_security_policy(host: str) -> str:
    """What the page may do: load its own files, and open a WebSocket to the host that served it. No text can become
    markup or script.

    `host` is the request's Host header. Not all browsers let 'self' cover WebSockets, so the policy names the host as
    well. On loopback it also names the machine's other name: a person may copy one name from the documentation and type
    the other into the address bar.
    """
    sockets = f" ws://{host} wss://{host}" if HOST.fullmatch(host) else ""
    name, _, port = host.partition(":")
    if sockets and name in LOOPBACK_NAMES:
        sockets = "".join(f" ws://{other}:{port} wss://{other}:{port}" for other in LOOPBACK_NAMES if port) or sockets
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'{sockets}; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


class ConsoleRoutes:
    """Serves the files of the folder. It lists them once at start, so no path of a request reaches the file system."""

    def __init__(self, *, is_read_only: bool = False) -> None:
        """A page that is read-only offers nothing that changes something. What a user may do, their token says."""
        self._is_read_only = is_read_only
        folder = Path(__file__).parent / "console"
        self._files = {path.name: path for path in folder.iterdir() if path.suffix in MEDIA_TYPES}

    async def page(self, request: Request) -> Response:
        """The page itself."""
        return self._file("index.html", request)

    async def asset(self, request: Request) -> Response:
        """A style sheet, a script, or one more address of the page."""
        name = request.path_params["name"]
        return self._file("index.html" if name in PAGES else name, request)

    def _file(self, name: str, request: Request) -> Response:
        path = self._files.get(name)
        if path is None:
            raise HTTPException(404)
        headers = {**HEADERS, "Content-Security-Policy": content_security_policy(request.headers.get("host", ""))}
        if self._is_read_only and name == "index.html":
            body = path.read_bytes().replace(*READ_ONLY, 1)
            return Response(body, headers=headers, media_type="text/html")
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=headers)
