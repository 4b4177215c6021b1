#!/usr/bin/env bash
# Deploy the gateway: ./deploy.sh ENV [--dry-run] [more options: ./deploy.sh --help]
# A thin wrapper around `websocket-handler deploy`. It also prints what is missing on this machine.
set -euo pipefail

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
  red=$'\e[31m' plain=$'\e[0m'
else
  red='' plain=''
fi

missing() {
  printf '%smissing%s  %s\n' "$red" "$plain" "$1" >&2
  exit 2
}

folder=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python3}

command -v "$python" >/dev/null 2>&1 || missing "Python 3.11 or newer: install it, or name it in PYTHON"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || missing "Python 3.11 or newer: $python is older"
"$python" -c 'import botocore, click, msgspec' 2>/dev/null \
  || missing "the AWS SDK: $python -m pip install -r $folder/requirements.txt"

if [ $# -eq 0 ]; then
  set -- --help
fi
PYTHONPATH="$(dirname -- "$folder")${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m websocket_handler.cli.deploy "$@"
