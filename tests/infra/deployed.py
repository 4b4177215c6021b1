"""A stack of the template in a test account, and shorthand for looking at it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from tests.infra.account import Account


class Deployed:
    """A stack of the template, and shorthand for looking at it."""

    def __init__(self, account: Account, environment: str, **parameters: str) -> None:
        self.account = account
        self.environment = environment
        self.name = f"agenticai-{environment}"
        self.outputs = account.deploy(self.name, Environment=environment, **parameters)

    def attributes(self, what: str) -> dict[str, str]:
        """The attributes of the `LoadBalancer` or the `TargetGroup`."""
        elb = self.account.client("elbv2")
        if what == "LoadBalancer":
            answer = elb.describe_load_balancer_attributes(LoadBalancerArn=self.outputs["LoadBalancerArn"])
        else:
            answer = elb.describe_target_group_attributes(TargetGroupArn=self.outputs["TargetGroupArn"])
        return {item["Key"]: item["Value"] for item in answer["Attributes"]}

    def listeners(self) -> dict[int, Any]:
        """Listeners by port."""
        found = self.account.client("elbv2").describe_listeners(LoadBalancerArn=self.outputs["LoadBalancerArn"])
        return {listener["Port"]: listener for listener in found["Listeners"]}

    def service(self) -> dict[str, Any]:
        """The ECS service."""
        (service,) = self.account.client("ecs").describe_services(
            cluster=self.outputs["ECSClusterName"], services=[self.outputs["WebSocketServiceName"]]
        )["services"]
        return dict(service)

    def task_definition(self) -> dict[str, Any]:
        """The task definition that the service runs."""
        arn = self.service()["taskDefinition"]
        return dict(self.account.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"])

    def groups(self) -> tuple[str, str]:
        """The security groups of the load balancer and of the tasks."""
        elb = self.account.client("elbv2")
        (found,) = elb.describe_load_balancers(LoadBalancerArns=[self.outputs["LoadBalancerArn"]])["LoadBalancers"]
        (balancer,) = found["SecurityGroups"]
        (tasks,) = self.service()["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"]
        return balancer, tasks

    def task_policy(self) -> dict[str, Any]:
        """The statements of the task role, by their Sid."""
        role = self.outputs["TaskRoleArn"].rpartition("/")[2]
        document = self.account.client("iam").get_role_policy(RoleName=role, PolicyName="gateway")["PolicyDocument"]
        document = ast.literal_eval(document) if isinstance(document, str) else document
        return {statement["Sid"]: statement for statement in document["Statement"]}

    def resource(self, logical_id: str) -> str:
        """The physical id of a resource."""
        detail = self.account.client("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )["StackResourceDetail"]
        return str(detail["PhysicalResourceId"])

    def resources(self) -> set[str]:
        """The logical ids of everything in the stack."""
        pages = self.account.client("cloudformation").get_paginator("list_stack_resources")
        found = pages.paginate(StackName=self.name)
        return {item["LogicalResourceId"] for page in found for item in page["StackResourceSummaries"]}

    def alarms(self) -> dict[str, Any]:
        """Alarms by the last part of their name."""
        prefix = f"agenticai-websocket-{self.environment}-"
        found = self.account.client("cloudwatch").describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
        return {alarm["AlarmName"].removeprefix(prefix): alarm for alarm in found}

    def queue(self, name: str) -> Mapping[str, str]:
        """The attributes of a queue of this environment."""
        sqs = self.account.client("sqs")
        url = sqs.get_queue_url(QueueName=f"agenticai-{name}-{self.environment}")["QueueUrl"]
        attributes: Mapping[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return attributes
