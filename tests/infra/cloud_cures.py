"""Moto 5.2.5 as CloudFormation: what it leaves out or gets wrong for this template, put right.

What is not put right: it deletes and updates at once and never fails, has no circuit breaker, starts no task and moves
no target, and turns no log line into a metric.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.infra import cloud_types


def _models(service: str) -> Any:
    """A module whose types change with every release, and which this one rewrites."""
    return import_module(f"moto.{service}.models")


stacks = _models("cloudformation")
parsing: Any = import_module("moto.cloudformation.parsing")
yaml_tag_constructor = import_module("moto.cloudformation.utils").yaml_tag_constructor
ValidationError = import_module("moto.cloudformation.exceptions").ValidationError
responses: Any = import_module("moto.cloudformation.responses")
s3_backends = _models("s3").s3_backends
Table, dynamodb_backends = _models("dynamodb").Table, _models("dynamodb").dynamodb_backends
Repository, ecr_backends = _models("ecr").Repository, _models("ecr").ecr_backends
Service, TaskDefinition = _models("ecs").Service, _models("ecs").TaskDefinition
FakeLoadBalancer, FakeTargetGroup = _models("elbv2").FakeLoadBalancer, _models("elbv2").FakeTargetGroup
elbv2_backends = _models("elbv2").elbv2_backends

Properties = dict[str, Any]


def apply() -> None:
    """Cure this process's Moto."""
    assert cloud_types.UNKNOWN_TO_MOTO, "to have made these types is enough: Moto looks at its subclasses"
    _cure_change_sets()
    _cure_template_urls()
    _cure_no_value_in_lists()
    _cure_comparisons()
    _cure_updates()
    _cure_rules()
    _cure_dropped_properties()
    _cure_full_names()


def _cure_change_sets() -> None:
    """A stack that comes from a change set has outputs, too."""

    def apply_change_set(self: Any) -> None:
        stack = self.stack
        stack.resource_map.update(self.template_dict, self.parameters)
        stack.template, stack.template_dict = self.template, self.template_dict
        stack.parameters = self.parameters
        stack.output_map = stack._create_output_map()

    stacks.ChangeSet.apply = apply_change_set


def _cure_template_urls() -> None:
    """A template in a bucket of this account is found by an address with the bucket in its path."""

    def template(template_url: str, account_id: str, partition: str) -> str:
        bucket, _, key = urlsplit(template_url).path.lstrip("/").partition("/")
        text: str = s3_backends[account_id][partition].get_object(bucket, key).value.decode()
        return text

    responses.get_stack_from_s3_url = template


def _cure_no_value_in_lists() -> None:
    """`AWS::NoValue` takes an item out of its list."""
    clean = parsing.clean_json

    def cleaned(resource_json: Any, resources_map: Any) -> Any:
        result = clean(resource_json, resources_map)
        if isinstance(resource_json, list) and isinstance(result, list):
            return [item for item in result if item is not None]
        return result

    parsing.clean_json = cleaned


def _cure_comparisons() -> None:
    """`Fn::Equals` compares texts, also where a parameter is a number."""
    parse = parsing.parse_condition

    def parsed(condition: Any, resources_map: Any, condition_map: Any) -> Any:
        if isinstance(condition, dict) and "Fn::Equals" in condition:
            first, second = (parsing.clean_json(value, resources_map) for value in condition["Fn::Equals"])
            if isinstance(first, int) and not isinstance(first, bool):
                return str(first) == str(second)
        return parse(condition, resources_map, condition_map)

    parsing.parse_condition = parsed


def _cure_updates() -> None:
    """An update reaches what depends on a parameter through a condition, makes what a condition now wants, and
    removes what it no longer wants."""
    update_one, update_all = parsing.parse_and_update_resource, parsing.ResourceMap.update
    find_changes = parsing.ResourceMap.build_resource_diff

    def updated(logical_id: str, resource_json: Any, resources_map: Any, *where: Any, **named: Any) -> Any:
        condition = resource_json.get("Condition")
        exists = resources_map._parsed_resources.get(logical_id) is not None
        if condition and not resources_map.lazy_condition_map[condition]:
            if exists:
                resources_map._delete_resource(resources_map._parsed_resources[logical_id], resource_json)
            return None
        if not exists:
            return resources_map[logical_id]
        return update_one(logical_id, resource_json, resources_map, *where, **named)

    def all_updated(self: Any, template: Any, parameters: Any = None) -> None:
        update_all(self, template, parameters)
        for name in [name for name in template["Resources"] if self._parsed_resources.get(name, name) is None]:
            del self._parsed_resources[name]

    def changes(self: Any, other_template: Any, parameters: Any = None) -> Any:
        found = find_changes(self, other_template, parameters)
        if parameters and found["Modify"] is not None:
            changed = {key for key, value in parameters.items() if str(self.input_parameters.get(key)) != str(value)}
            conditions = {
                name
                for name, condition in other_template["Conditions"].items()
                if any(f'"{key}"' in json.dumps(condition) for key in changed)
            }
            conditions |= {
                name
                for name, condition in other_template["Conditions"].items()
                if any(f'{{"Condition": "{key}"}}' in json.dumps(condition) for key in conditions)
            }
            depends = {
                name
                for name, resource in other_template["Resources"].items()
                if resource.get("Condition") in conditions
                or any(f'"Fn::If": ["{key}"' in json.dumps(resource) for key in conditions)
            }
            modified = depends | set(found["Modify"])
            if "TaskDefinition" in modified:
                modified.add("Service")
            found["Modify"] = [name for name in other_template["Resources"] if name in modified]
        return found

    parsing.parse_and_update_resource = updated
    parsing.ResourceMap.update = all_updated
    parsing.ResourceMap.build_resource_diff = changes


def _cure_rules() -> None:
    """`Rules` are looked at before anything is made, by a stack and by a change set."""
    create_stack = stacks.CloudFormationBackend.create_stack
    create_change_set = stacks.CloudFormationBackend.create_change_set

    def stack_created(self: Any, name: str, template: str, parameters: dict[str, Any], **more: Any) -> Any:
        given = _checked_parameters(name, template, parameters)
        return create_stack(self, name=name, template=template, parameters=given, **more)

    def change_set_created(self: Any, stack_name: str, template: str, parameters: dict[str, Any], **more: Any) -> Any:
        given = _checked_parameters(stack_name, template, parameters)
        return create_change_set(self, stack_name=stack_name, template=template, parameters=given, **more)

    stacks.CloudFormationBackend.create_stack = stack_created
    stacks.CloudFormationBackend.create_change_set = change_set_created


def _checked_parameters(name: str, template: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """All parameters, the defaults included: a later update may ask for the previous value of any of them. Raises
    ValidationError when a rule does not hold; knows the functions that the template's rules use."""
    yaml.add_multi_constructor("", yaml_tag_constructor)
    document = yaml.load(template, Loader=yaml.Loader)  # noqa: S506 - our own template
    defaults = {key: str(value.get("Default", "")) for key, value in document.get("Parameters", {}).items()}
    given = {**defaults, **parameters}
    for rule in document.get("Rules", {}).values():
        for assertion in rule["Assertions"]:
            if not _holds(assertion["Assert"], given):
                raise ValidationError(name, f"Template validation error: {assertion['AssertDescription']}")
    return given


def _holds(assertion: dict[str, Any], parameters: dict[str, Any]) -> bool:
    ((function, arguments),) = assertion.items()
    if function == "Fn::Or":
        return any(_holds(item, parameters) for item in arguments)

    def value(item: Any) -> Any:
        return str(parameters[item["Ref"]]) if isinstance(item, dict) else item

    first, second = arguments
    if function == "Fn::Contains":
        return value(second) in first
    assert function == "Fn::Equals"
    return bool(value(first) == value(second))


def _cure_full_names() -> None:
    """Load balancers and target groups have a full name, which is the end of their ARN."""
    name_of_balancer = FakeLoadBalancer.get_cfn_attribute

    def balancer(self: Any, attribute_name: str) -> Any:
        if attribute_name == "LoadBalancerFullName":
            return self.arn.partition(":loadbalancer/")[2]
        return name_of_balancer(self, attribute_name)

    FakeLoadBalancer.get_cfn_attribute = balancer
    FakeTargetGroup.has_cfn_attr = classmethod(_has_full_name)
    FakeTargetGroup.get_cfn_attribute = _full_name_of_group


def _has_full_name(_cls: Any, attr: str) -> bool:
    return attr == "TargetGroupFullName"


def _full_name_of_group(group: Any, _attribute: str) -> str:
    return str(group.arn.rpartition(":")[2])


def _after_create(model: Any, also: Callable[[Any, Properties, str, str], None]) -> None:
    create = model.create_from_cloudformation_json.__func__

    def created(cls: Any, /, name: str, document: Any, account: str, region: str, **more: Any) -> Any:
        resource = create(cls, name, document, account, region, **more)
        also(resource, document.get("Properties", {}), account, region)
        return resource

    model.create_from_cloudformation_json = classmethod(created)


def _cure_dropped_properties() -> None:
    """What Moto's CloudFormation forgets, although its API knows it."""
    _after_create(FakeLoadBalancer, _load_balancer)
    _after_create(FakeTargetGroup, _target_group)
    _after_create(Table, _table)
    _after_create(Repository, _repository)
    _after_create(Service, _service)
    _after_create(TaskDefinition, _task_definition)

    _after_update(Service, _service)
    TaskDefinition.update_from_cloudformation_json = classmethod(_new_revision)


def _after_update(model: Any, also: Callable[[Any, Properties, str, str], None]) -> None:
    update = model.update_from_cloudformation_json.__func__

    def updated(cls: Any, /, **changes: Any) -> Any:
        resource = update(cls, **changes)
        also(resource, changes["cloudformation_json"]["Properties"], changes["account_id"], changes["region_name"])
        return resource

    model.update_from_cloudformation_json = classmethod(updated)


def _new_revision(cls: Any, /, original_resource: Any, new_resource_name: str, **changes: Any) -> Any:
    """A changed task definition is a new revision of its family, made as the first one was."""
    arguments = changes["cloudformation_json"], changes["account_id"], changes["region_name"]
    return cls.create_from_cloudformation_json(new_resource_name, *arguments)


def _attributes(items: list[dict[str, str]]) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in items}


def _load_balancer(balancer: Any, wanted: Properties, account: str, region: str) -> None:
    given = _attributes(wanted["LoadBalancerAttributes"])
    elbv2_backends[account][region].modify_load_balancer_attributes(balancer.arn, given)


def _target_group(group: Any, wanted: Properties, _account: str, _region: str) -> None:
    group.attributes.update(_attributes(wanted["TargetGroupAttributes"]))


def _table(table: Any, wanted: Properties, account: str, region: str) -> None:
    backend = dynamodb_backends[account][region]
    ttl = wanted["TimeToLiveSpecification"]
    backend.update_time_to_live(table.name, {"Enabled": ttl["Enabled"], "AttributeName": ttl["AttributeName"]})
    backend.update_continuous_backups(table.name, wanted["PointInTimeRecoverySpecification"])


def _repository(repository: Any, wanted: Properties, account: str, region: str) -> None:
    repository.image_tag_mutability = wanted["ImageTagMutability"]
    repository.image_scanning_configuration = {"scanOnPush": wanted["ImageScanningConfiguration"]["ScanOnPush"]}
    text = wanted["LifecyclePolicy"]["LifecyclePolicyText"]
    ecr_backends[account][region].put_lifecycle_policy(account, repository.name, text)


def _lower(value: Any) -> Any:
    """Property names as the API spells them."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: _lower(item) for key, item in value.items()}
    return [_lower(item) for item in value] if isinstance(value, list) else value


def _service(service: Any, wanted: Properties, _account: str, _region: str) -> None:
    service.launch_type = wanted["LaunchType"]
    service.load_balancers = _lower(wanted["LoadBalancers"])
    service.health_check_grace_period_seconds = int(wanted["HealthCheckGracePeriodSeconds"])
    service.network_configuration = _lower(wanted["NetworkConfiguration"])
    service.deployment_configuration = _lower(wanted["DeploymentConfiguration"])
    service.running_count, service.pending_count = int(service.desired_count), 0
    for deployment in service.deployments:
        deployment.update(
            taskDefinition=service.task_definition,
            desiredCount=service.running_count,
            launchType=wanted["LaunchType"],
            runningCount=service.running_count,
            pendingCount=0,
            rolloutState="COMPLETED",
        )


def _task_definition(definition: Any, wanted: Properties, _account: str, _region: str) -> None:
    definition.cpu, definition.memory = wanted["Cpu"], wanted["Memory"]
    definition.runtime_platform = _lower(wanted["RuntimePlatform"])
