"""A pre token generation trigger (V2_0) of Amazon Cognito: projects and rights follow from the groups of a user."""

from typing import Any

RIGHTS = {
    "viewers": ["subscribe", "presence"],
    "developers": ["subscribe", "presence", "forward:*"],
    "operators": ["admin"],
}
PROJECT = "project-"


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    groups = event["request"]["groupConfiguration"]["groupsToOverride"] or []
    claims = {
        "projects": [group.removeprefix(PROJECT) for group in groups if group.startswith(PROJECT)],
        "rights": sorted({right for group in groups for right in RIGHTS.get(group, [])}),
    }
    event["response"] = {"claimsAndScopeOverrideDetails": {"accessTokenGeneration": {"claimsToAddOrOverride": claims}}}
    return event
