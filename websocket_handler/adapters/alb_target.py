"""This node's state in an ALB target group, by `elasticloadbalancing:DescribeTargetHealth`."""

from websocket_handler.adapters.aws import AwsCall, AwsError
from websocket_handler.ports.target import TargetUnknown

TIMEOUT_S = 3.0


class AlbTarget:
    """See the port. `address` is the IP address under which the task is registered."""

    def __init__(self, call: AwsCall, target_group_arn: str, address: str, port: int) -> None:
        self._call = call
        self._target_group_arn = target_group_arn
        self._target = {"Id": address, "Port": port}

    async def is_draining(self) -> bool:
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
