"""Resource types that Moto 5.2.5 does not know as CloudFormation.

Some are kept as `Plain` records; others go to the backend that has their API.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar

Properties = dict[str, Any]


def _backends(service: str, name: str = "") -> Any:
    return getattr(import_module(f"moto.{service}.models"), f"{name or service}_backends")


CloudFormationModel = import_module("moto.core.common_models").CloudFormationModel
applicationautoscaling_backends = _backends("applicationautoscaling")
cloudwatch_backends = _backends("cloudwatch")
ec2_backends = _backends("ec2")
logs_backends = _backends("logs")
sqs_backends = _backends("sqs")


ENDPOINT = {"Endpoint.Address": "{}.serverless.cache.example", "Endpoint.Port": "6379"}
"""What a cache tells of itself."""


class Plain:
    """A resource without a backend: it has a name, an ARN and its properties."""

    kind: ClassVar[str]
    name_property: ClassVar[str] = ""
    create: ClassVar[Callable[[Plain], None] | None] = None

    def __init__(self, name: str, properties: Properties, account: str, region: str) -> None:
        self.name, self.properties, self.account, self.region = name, properties, account, region
        creator = type(self).__dict__.get("create")
        if creator is not None:
            creator(self)

    @property
    def physical_resource_id(self) -> str:
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @classmethod
    def cloudformation_type(cls) -> str:
        return cls.kind

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr in ("Arn", *ENDPOINT)

    def get_cfn_attribute(self, attribute_name: str) -> str:
        if attribute_name in ENDPOINT:
            return ENDPOINT[attribute_name].format(self.name)
        service = self.kind.split("::")[1].lower()
        return f"arn:aws:{service}:{self.region}:{self.account}:{self.name}"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Plain:
        properties = cloudformation_json.get("Properties", {})
        return cls(properties.get(cls.name_property, resource_name), properties, account_id, region_name)

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> Plain:
        del original_resource
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    @classmethod
    def delete_from_cloudformation_json(cls, *_: Any, **__: Any) -> None:
        return None


def _scalable_target(resource: Plain) -> None:
    wanted = resource.properties
    service, where, dimension = wanted["ServiceNamespace"], wanted["ResourceId"], wanted["ScalableDimension"]
    backend = applicationautoscaling_backends[resource.account][resource.region]
    backend.register_scalable_target(
        service, where, dimension, int(wanted["MinCapacity"]), int(wanted["MaxCapacity"]), "", None
    )
    resource.name = f"{where}|{dimension}|{service}"


def _scaling_policy(resource: Plain) -> None:
    wanted = resource.properties
    where, dimension, service = wanted["ScalingTargetId"].split("|")
    configuration = wanted["TargetTrackingScalingPolicyConfiguration"]
    applicationautoscaling_backends[resource.account][resource.region].put_scaling_policy(
        wanted["PolicyName"], service, where, dimension, configuration, wanted["PolicyType"]
    )


def _alarm(resource: Plain) -> None:
    wanted = resource.properties
    cloudwatch_backends[resource.account][resource.region].put_metric_alarm(
        resource.name,
        wanted["Namespace"],
        wanted["MetricName"],
        wanted["ComparisonOperator"],
        int(wanted["EvaluationPeriods"]),
        int(wanted["Period"]),
        float(wanted["Threshold"]),
        wanted["Statistic"],
        wanted["AlarmDescription"],
        wanted.get("Dimensions", []),
        wanted.get("AlarmActions", []),
        treat_missing_data=wanted["TreatMissingData"],
    )


def _metric_filter(resource: Plain) -> None:
    wanted = resource.properties
    transformations = [
        {key[0].lower() + key[1:]: value for key, value in item.items()} for item in wanted["MetricTransformations"]
    ]
    logs_backends[resource.account][resource.region].put_metric_filter(
        resource.name, wanted["FilterPattern"], wanted["LogGroupName"], transformations
    )


def _queue_policy(resource: Plain) -> None:
    backend = sqs_backends[resource.account][resource.region]
    for url in resource.properties["Queues"]:
        document = json.dumps(resource.properties["PolicyDocument"])
        backend.set_queue_attributes(url.rpartition("/")[2], {"Policy": document})


def _secret(resource: Plain) -> None:
    """A secret is referred to by its ARN, which ends in six characters of chance."""
    resource.name = f"arn:aws:secretsmanager:{resource.region}:{resource.account}:secret:{resource.name}-AbCdEf"


def _egress(resource: Plain) -> None:
    wanted = resource.properties
    ec2_backends[resource.account][resource.region].authorize_security_group_egress(
        wanted["GroupId"],
        wanted["IpProtocol"],
        wanted["FromPort"],
        wanted["ToPort"],
        [],
        source_groups=[{"GroupId": wanted["DestinationSecurityGroupId"]}],
    )


def _type(kind: str, create: Callable[[Plain], None] | None = None, name_property: str = "") -> type[Plain]:
    bases = (Plain, CloudFormationModel)  # Moto looks at the direct subclasses of its own class
    return type(kind.replace("::", "_"), bases, {"kind": kind, "create": create, "name_property": name_property})


UNKNOWN_TO_MOTO = [
    _type("AWS::ApplicationAutoScaling::ScalableTarget", _scalable_target),
    _type("AWS::ApplicationAutoScaling::ScalingPolicy", _scaling_policy),
    _type("AWS::CloudWatch::Alarm", _alarm, "AlarmName"),
    _type("AWS::EC2::SecurityGroupEgress", _egress),
    _type("AWS::ElastiCache::ServerlessCache", name_property="ServerlessCacheName"),
    _type("AWS::ElastiCache::User", name_property="UserId"),
    _type("AWS::ElastiCache::UserGroup", name_property="UserGroupId"),
    _type("AWS::Logs::MetricFilter", _metric_filter),
    _type("AWS::SQS::QueuePolicy", _queue_policy),
    _type("AWS::SecretsManager::Secret", _secret, "Name"),
    _type("AWS::WAFv2::WebACL"),
    _type("AWS::WAFv2::WebACLAssociation"),
]
