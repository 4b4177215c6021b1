"""Signature version 4 for one operation of AWS's JSON protocol: a POST to the path `/`, and nothing else.

Most of a request stays the same for a whole second: the signer writes it once and uses it again.
"""

import hmac
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, NamedTuple

CONTENT_TYPE: Final = "application/x-amz-json-1.0"
_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """What requests are signed with. `token` is empty for credentials that do not expire."""

    access_key: str
    secret_key: str
    token: str = ""

    @property
    def is_plain(self) -> bool:
        """True if they fit into a header line: printable ASCII without spaces."""
        return all("!" <= character <= "~" for character in self.access_key + self.token)


class HmacKey:
    """HMAC-SHA256 with one key of at most 64 bytes. The digests have taken in the key beforehand: RFC 2104."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, text: bytes) -> str:
        """The code of a text, in hexadecimal digits."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.hexdigest()


class Signer:
    """Writes signed requests of one operation. `target` is AWS's name for it: `AmazonSQS.SendMessageBatch`."""

    def __init__(self, host: str, region: str, service: str, target: str) -> None:
        self._host = host
        self._region = region
        self._service = service
        self._target = target
        self._second = -1
        self._credentials = Credentials("", "")
        self._key = HmacKey(b"")
        self._key_day = ""
        self._canonical = b""
        self._to_sign = b""
        self._head = b""

    def request(self, body: bytes, credentials: Credentials, now: float) -> bytes:
        """A whole HTTP/1.1 request. `now`: seconds since the epoch."""
        second = int(now)
        if second != self._second or credentials is not self._credentials:
            self._prepare(second, credentials)
        canonical = self._canonical + sha256(body).hexdigest().encode()
        to_sign = self._to_sign + sha256(canonical).hexdigest().encode()
        signature = self._key.digest(to_sign)
        return b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (self._head, signature.encode(), len(body), body)

    def _prepare(self, second: int, credentials: Credentials) -> None:
        """Everything up to the body's digest, and up to the signature."""
        time = datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")
        day = time[:8]
        headers = {
            "content-type": CONTENT_TYPE,
            "host": self._host,
            "x-amz-date": time,
            "x-amz-security-token": credentials.token,
            "x-amz-target": self._target,
            # the error codes that SQS always had, as the SDK asks for them
            "x-amzn-query-mode": "true" if self._service == "sqs" else "",
        }
        headers = {name: value for name, value in headers.items() if value}
        signed = ";".join(headers)
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        self._canonical = f"POST\n/\n\n{lines}\n{signed}\n".encode()
        self._to_sign = f"{_ALGORITHM}\n{time}\n{scope}\n".encode()
        sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._head = (
            f"POST / HTTP/1.1\r\n{sent}user-agent: websocket-handler\r\n"
            f"authorization: {_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={signed}, Signature="
        ).encode()
        if day != self._key_day or credentials.secret_key != self._credentials.secret_key:
            self._key = HmacKey(_signing_key(credentials.secret_key, day, self._region, self._service))
            self._key_day = day
        self._second, self._credentials = second, credentials


def _signing_key(secret_key: str, *scope: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
