#!/usr/bin/env bash
# botocore 1.43.117, credentials from the instance metadata service (EC2, or whatever imitates it).
#
# Guess: a client fetches its credentials when it signs a request. So a client that was made while the metadata service did
# not answer (a node that has just booted) works as soon as the service does, just as it renews credentials that expire.
# Seen: credentials are looked for once, when the client is made. If nothing is found, making it succeeds all the same, and
# every call raises NoCredentialsError for as long as the client lives, hours after the service has come back; it is not
# even asked again. Another client of the same session, made later, works. A client at the top of a module, made once per
# process, so decides at the import if the process ever works.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check botocore==1.43.117 2>/dev/null
unset "${!AWS_@}" http_proxy https_proxy HTTP_PROXY HTTPS_PROXY
export HOME="$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore
import botocore.session
from botocore.exceptions import NoCredentialsError

ROLE = {"Code": "Success", "AccessKeyId": "id", "SecretAccessKey": "key", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}
state = {"answers": False, "asked": 0}


class MetadataAndSqs(BaseHTTPRequestHandler):
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_sqs = self.command == "POST"
        state["asked"] += not is_sqs
        body = b"{}" if is_sqs else json.dumps(ROLE).encode() if self.path.endswith("/role") else b"role"
        self.send_response(200 if is_sqs or state["answers"] else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = answer

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), MetadataAndSqs)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
session = botocore.session.Session()


def new_client():
    return session.create_client("sqs", region_name="us-east-1", endpoint_url=address)


def said_to(client):
    try:
        return client.list_queues()["ResponseMetadata"]["HTTPStatusCode"]
    except NoCredentialsError as error:
        return type(error).__name__


early = new_client()
print("botocore", botocore.__version__, "while the metadata service answers 503:", said_to(early))
state.update(answers=True, asked=0)
seen = [said_to(early), state["asked"], said_to(new_client()), said_to(early)]
print("now it answers. The same client: {}, after {} questions; a new client: {}; the first again: {}".format(*seen))
assert seen == ["NoCredentialsError", 0, 200, "NoCredentialsError"]
PYTHON
echo "as described"
