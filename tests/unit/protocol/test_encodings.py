"""What comes in instead of plain JSON in UTF-8, and what its sender is told."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from base64 import b64encode
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websocket_handler.protocol.codec import decode_command
from websocket_handler.protocol.codes import CloseCode, CommandError
from websocket_handler.protocol.encodings import check_fields
from websocket_handler.protocol.frame_decoder import ProtocolViolation, check_utf8
from websocket_handler.protocol.http_errors import http_error
from websocket_handler.protocol.publication import read_object

TEXT: Final = '{"action":"ping","pad":"é"}'
BODY: Final = TEXT.encode()
ASCII: Final = '{"action":"ping"}'


def zipped(body: bytes) -> bytes:
    """An archive with one file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("update.json", body)
    return archive.getvalue()


COMPRESSED: Final = {
    "gzip": gzip.compress(BODY),
    "compress": b"\x1f\x9d\x90" + BODY,
    "gzip, level 1": gzip.compress(BODY, 1),
    **{f"zlib, level {level}": zlib.compress(BODY, level) for level in (1, 5, 6, 9)},
    "zstd": b"\x28\xb5\x2f\xfd\x24\x1b\xd9\x00\x00" + BODY + b"\x9b\xe1\x13\x2d",
    "bzip2": bz2.compress(BODY),
    "xz": lzma.compress(BODY),
    "lz4": b"\x04\x22\x4d\x18\x60\x40\x82\x1b\x00\x00\x80" + BODY + b"\x00\x00\x00\x00",
    "zip": zipped(BODY),
}
OTHER_CHARSETS: Final = {
    "UTF-16, LE with a mark": codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "UTF-16, BE with a mark": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "UTF-32, LE with a mark": codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
    "UTF-32, BE with a mark": codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"),
    "UTF-16, LE": TEXT.encode("utf-16-le"),
    "UTF-16, BE": TEXT.encode("utf-16-be"),
    "UTF-32, LE": TEXT.encode("utf-32-le"),
    "UTF-32, BE": TEXT.encode("utf-32-be"),
}
"""They are not UTF-8, because of the é."""
IN_UTF8: Final = {
    "empty": b"",
    "empty, but for white space": b" \r\n",
    "byte order mark": codecs.BOM_UTF8 + BODY,
    "byte order mark, alone": codecs.BOM_UTF8,
    "byte order mark, behind white space": b"\r\n" + codecs.BOM_UTF8 + BODY,
    "UTF-16, LE": ASCII.encode("utf-16-le"),
    "UTF-16, BE": ASCII.encode("utf-16-be"),
    "UTF-32, LE": ASCII.encode("utf-32-le"),
    "UTF-32, BE": ASCII.encode("utf-32-be"),
    "multipart": b'--5f3\r\nContent-Disposition: form-data; name="a"\r\n\r\n{}\r\n--5f3--\r\n',
    "percent-encoded": b"%7B%22action%22%3A%22ping%22%7D",
    "percent-encoded, list": b"%5b1%5d",
    "base64 of JSON": b64encode(BODY),
    "base64 of JSON, list": b64encode(b"[" + BODY + b"]"),
    "base64 of JSON, indented": b64encode(b'{\n  "a": 1\n}'),
    "base64 of gzip": b64encode(gzip.compress(BODY)),
    "base64 of zlib": b64encode(zlib.compress(BODY)),
    "base64 of zstd": b64encode(COMPRESSED["zstd"]),
}
"""They are UTF-8 and no JSON. ASCII characters in UTF-16 are UTF-8 with many NULs."""


def refusal(text: bytes) -> CommandError:
    """What a reader says to a text. Both readers, of commands and of published objects, say the same."""
    with pytest.raises(CommandError) as of_command:
        decode_command(text)
    with pytest.raises(CommandError) as of_object:
        read_object(text)
    assert (of_object.value.code, of_object.value.message) == (of_command.value.code, of_command.value.message)
    return of_command.value


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_compressed_text_is_named(name: str) -> None:
    fault = refusal(COMPRESSED[name])
    assert fault.code == "unsupported_encoding"
    assert fault.message == f"Invalid JSON: the text is compressed with {name.partition(',')[0]}"
    error = http_error(fault)
    assert (error.status, error.headers["Accept-Encoding"]) == (415, "identity")


@pytest.mark.parametrize("name", OTHER_CHARSETS)
def test_a_text_in_another_charset_is_named(name: str) -> None:
    fault = refusal(OTHER_CHARSETS[name])
    assert fault.code == "unsupported_encoding"
    assert fault.message == f"Invalid JSON: the text is {name.partition(',')[0]}; send UTF-8"
    error = http_error(fault)
    assert (error.status, "Accept-Encoding" in error.headers) == (415, False)


@pytest.mark.parametrize("name", IN_UTF8)
def test_what_is_utf8_and_no_json_is_named(name: str) -> None:
    fault = refusal(IN_UTF8[name])
    assert (fault.code, fault.status) == ("invalid_json", 400)
    assert fault.message.startswith("Invalid JSON: the text ")
    assert name.partition(",")[0] in fault.message


UNKNOWN: Final = [
    b"hello",
    b"\xff",
    b"\x1f",
    b"x",
    b"{\x00",
    b"example1",
    b"action=ping",
    b"\x8b\x05\x80\x03\x03",
    "{'é'}".encode("latin-1"),
    b"eyJhb",
    b"%41",
    b"-1x",
    b"=" * 16,
]


@pytest.mark.parametrize("text", UNKNOWN)
def test_the_reader_speaks_where_nothing_is_known(text: bytes) -> None:
    fault = refusal(text)
    assert fault.code == "invalid_json"
    assert "the text" not in fault.message


@given(st.binary(max_size=40))
def test_whatever_the_bytes_are_the_answer_is_one_of_the_protocol(text: bytes) -> None:
    with pytest.raises(CommandError) as refused:
        read_object(text + b"\x00")
    assert refused.value.code in ("invalid_json", "unsupported_encoding", "not_an_object", "too_deep")
    assert len(refused.value.message) < 200


@pytest.mark.parametrize("name", [*COMPRESSED, *OTHER_CHARSETS])
def test_a_close_frame_names_it_too(name: str) -> None:
    text = {**COMPRESSED, **OTHER_CHARSETS}[name]
    with pytest.raises(ProtocolViolation) as violation:
        check_utf8(text)
    assert violation.value.close_code is CloseCode.INVALID_UTF8
    assert name.partition(",")[0] in violation.value.reason
    assert len(violation.value.reason) <= 123  # RFC 6455 section 5.5


GOOD_FIELDS: Final = [
    ([], [], []),
    (["application/json"], ["identity"], ["chunked"]),
    (["application/json; charset=utf-8"], [""], []),
    (['application/json;charset="UTF-8"; x=y'], ["Identity, identity"], ["Chunked"]),
    (['application/json; v="a;charset=latin1"; charset=utf-8'], [], []),
    (['application/json; v="\\";charset=latin1"'], [], []),
    (['application/json; charset="utf-8'], [], []),
    (["text/plain; CHARSET=utf8"], [" identity\t", "identity"], []),
    (["application/x-www-form-urlencoded"], [], []),
    (["text/plain; charset=us-ascii"], [], []),
]


@pytest.mark.parametrize(("types", "codings", "transfers"), GOOD_FIELDS)
def test_fields_of_plain_bodies_are_let_through(types: list[str], codings: list[str], transfers: list[str]) -> None:
    check_fields(types, codings, transfers)


BAD_FIELDS: Final = [
    ([], ["gzip"], [], "Content-Encoding gzip"),
    ([], ["GZIP"], [], "Content-Encoding GZIP"),
    ([], ["x-gzip"], [], "x-gzip"),
    ([], ["br"], [], "br"),
    ([], ["deflate"], [], "deflate"),
    ([], ["zstd"], [], "zstd"),
    ([], ["aws-chunked"], [], "aws-chunked"),
    ([], ["identity, gzip"], [], "gzip"),
    ([], ["identity", "gzip"], [], "gzip"),
    ([], ["utf-8"], [], "utf-8"),
    ([], ["<script>"], [], "Content-Encoding is not supported"),
    ([], ["x" * 41], [], "Content-Encoding is not supported"),
    ([], [], ["gzip, chunked"], "Transfer-Encoding gzip"),
    ([], [], ["deflate", "chunked"], "Transfer-Encoding deflate"),
    (["application/json; charset=utf-16"], [], [], "charset utf-16"),
    (["application/json; charset=iso-8859-1"], [], [], "charset iso-8859-1"),
    (['application/json; charset="UTF-16LE"'], [], [], "charset UTF-16LE"),
    (["application/json", "text/plain;\tCharset=utf-7"], [], [], "charset utf-7"),
    (['application/json; v="a;charset=utf-8"; charset=latin1'], [], [], "charset latin1"),
    (['application/json; charset="latin1'], [], [], "charset latin1"),
    (["text/plain; charset="], [], [], "charset is not supported"),
]


@pytest.mark.parametrize(("types", "codings", "transfers", "named"), BAD_FIELDS)
def test_fields_of_other_bodies_get_415(types: list[str], codings: list[str], transfers: list[str], named: str) -> None:
    with pytest.raises(CommandError) as refused:
        check_fields(types, codings, transfers)
    error = http_error(refused.value)
    assert (refused.value.code, error.status) == ("unsupported_encoding", 415)
    assert named in refused.value.message
    assert error.headers.get("Accept-Encoding") == ("identity" if codings or transfers else None)
