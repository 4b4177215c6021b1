#!/usr/bin/env bash
# AWS CLI 1.46.3 from PyPI, `aws sqs`, region us-east-1.
#
# Guess: AWS_ENDPOINT_URL leads every service of the AWS CLI to an emulator, as it does with boto3.
# Seen: for SQS it has no effect, and a command that was meant for the emulator goes to https://queue.amazonaws.com. A
# customization (overridesslcommonname.py) sets AWS's own address as if somebody had written --endpoint-url. It does so
# unless the option is really there. For DynamoDB the variable works.
# Nothing leaves this machine here: every request outside goes to a proxy on a closed port of loopback.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check awscli==1.46.3 2>/dev/null
export HOME="$folder" AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=us-east-1 AWS_MAX_ATTEMPTS=1
export AWS_ENDPOINT_URL=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 AWS_EC2_METADATA_DISABLED=true
unset AWS_PROFILE http_proxy https_proxy HTTP_PROXY

goes_to() {
  "$folder/venv/bin/aws" "$@" --debug 2>&1 | sed -n 's/.*Endpoint provider result: //p' | head -1
}

echo "aws sqs list-queues:                 $(goes_to sqs list-queues)"
echo "aws sqs list-queues --endpoint-url:  $(goes_to sqs list-queues --endpoint-url "$AWS_ENDPOINT_URL")"
echo "aws dynamodb list-tables:            $(goes_to dynamodb list-tables)"
