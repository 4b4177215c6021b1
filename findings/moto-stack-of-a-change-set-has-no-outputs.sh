#!/usr/bin/env bash
# moto 5.2.5, its CloudFormation, boto3 1.43.117.
#
# Guess: a stack is the same, whether create_stack made it or a change set that was executed, as `aws cloudformation
# deploy` and `sam deploy` do. So a deployment that was tried out with one of the two has been tried out for both.
# Seen: through a change set the resources come into being, the status is CREATE_COMPLETE, and the stack has no Outputs.
# What reads an output after the deployment (the URL of a queue, the name of a bucket) fails against moto with `deploy` and
# works with create_stack. Real stacks have their outputs in both cases.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check \
    moto==5.2.5 openapi-spec-validator==0.9.0 pyyaml==6.0.3 boto3==1.43.117 2>/dev/null
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1
"$folder/venv/bin/python" - <<'PYTHON'
import json
from importlib.metadata import version

import boto3
from moto import mock_aws

TEMPLATE = json.dumps(
    {
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
    }
)


@mock_aws
def made_by(make):
    cloud = boto3.client("cloudformation")
    make(cloud)
    [stack] = cloud.describe_stacks(StackName="s")["Stacks"]
    resources = cloud.list_stack_resources(StackName="s")["StackResourceSummaries"]
    outputs = [output["OutputKey"] for output in stack.get("Outputs", [])]
    return stack["StackStatus"], [resource["LogicalResourceId"] for resource in resources], outputs


def directly(cloud):
    cloud.create_stack(StackName="s", TemplateBody=TEMPLATE)


def by_a_change_set(cloud):
    cloud.create_change_set(StackName="s", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=TEMPLATE)
    cloud.execute_change_set(StackName="s", ChangeSetName="c")


print("moto", version("moto"), "boto3", version("boto3"))
seen = {make.__name__: made_by(make) for make in (directly, by_a_change_set)}
for name, stack in seen.items():
    print(name.ljust(16), stack)
assert seen["directly"] == ("CREATE_COMPLETE", ["Queue"], ["Url"])
assert seen["by_a_change_set"] == ("CREATE_COMPLETE", ["Queue"], [])
PYTHON
echo "as described"
