"""This node's state in an ALB target group, by `elasticloadbalancing:DescribeTargetHealth`."""

from typing import Final

from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.sdk import AwsCall

TIMEOUT_S: Final = 3.0


class TargetUnknown(Exception):
    """The load balancer did not answer, or this node does not know its own address. The node goes on as before."""


class AlbTarget:
    """This node as a target of its load balancer, registered under the IP address `address`."""

    def __init__(self, call: AwsCall, target_group_arn: str, address: str, port: int) -> None:
        self._call = call
        self._target_group_arn = target_group_arn
        self._target = {"Id": address, "Port": port}

    async def is_draining(self) -> bool:
        """True if the load balancer sends no further connections, because this node is going away. On ECS that comes
        before SIGTERM. Raises TargetUnknown."""
        try:
            answer = await self._call(
                "elbv2",
                "describe_target_health",
                TIMEOUT_S,
                TargetGroupArn=self._target_group_arn,
                Targets=[self._target],
            )
        except AwsError as error:
            raise TargetUnknown(str(error)) from error
        states = [target["TargetHealth"]["State"] for target in answer.get("TargetHealthDescriptions", ())]
        return states == ["draining"]
