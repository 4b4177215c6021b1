"""Verified claims to rights on projects, at each limit and one beyond."""

from typing import Any

import pytest

from websocket_handler.protocol.identity import (
    ANYONE,
    FORWARD,
    FORWARD_ANY,
    PATTERNS_MAX,
    RIGHTS,
    RIGHTS_MAX,
    TIME_MAX,
    Identity,
    InvalidClaims,
    identity_from_claims,
    is_pattern,
)

SECRET = "hunter2-hunter2"  # noqa: S105 - what no text may repeat


def claims(**changes: Any) -> dict[str, Any]:
    """Valid claims with changes; None takes a claim out."""
    usual = {"sub": "ada", "exp": 1000.0, "projects": ["p"], "rights": ["subscribe"]}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def refusal(**changes: Any) -> str:
    with pytest.raises(InvalidClaims) as caught:
        identity_from_claims(claims(**changes))
    return str(caught.value)


def test_claims_become_an_identity() -> None:
    made = identity_from_claims(claims(iat=10, projects=["p", "team-*"], rights=["publish", "presence"]))
    assert made == Identity("ada", 1000.0, ("p", "team-*"), frozenset({"publish", "presence"}), 10.0)


def test_without_projects_and_rights_nothing_is_allowed() -> None:
    made = identity_from_claims(claims(projects=None, rights=None))
    assert (made.projects, made.rights, made.issued_at) == ((), frozenset(), None)
    assert not any(made.may(right) for right in RIGHTS)


@pytest.mark.parametrize("user_id", ["a", "a" * 128, "!~", "auth0|ada@example.com"])
def test_a_user_id_of_printable_characters_is_taken(user_id: str) -> None:
    assert identity_from_claims(claims(sub=user_id)).user_id == user_id


@pytest.mark.parametrize("user_id", ["", "a" * 129, "a b", "ä", "a\n", "\x7f", 7, True, ["ada"], None])
def test_any_other_user_id_is_refused(user_id: object) -> None:
    assert refusal(sub=user_id).startswith("sub ")


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("time", [0, -1, True, "1000", TIME_MAX + 1, float("nan"), float("inf"), [1], {}])
def test_a_time_that_is_none_is_refused(name: str, time: object) -> None:
    assert refusal(**{name: time}) == f"{name} must be a number of seconds since 1970"


def test_times_are_taken_up_to_the_last_second_that_a_timestamp_can_say() -> None:
    made = identity_from_claims(claims(exp=TIME_MAX, iat=0.5, nbf=1))
    assert (made.expires_at, made.issued_at) == (TIME_MAX, 0.5)
    assert refusal(exp=None) == "exp is missing"


@pytest.mark.parametrize(("name", "most"), [("projects", PATTERNS_MAX), ("rights", RIGHTS_MAX)])
def test_lists_are_taken_at_their_maximum_and_refused_one_beyond(name: str, most: int) -> None:
    entries = [f"p{index}" for index in range(most)]
    assert identity_from_claims(claims(**{name: entries})).user_id == "ada"
    assert refusal(**{name: [*entries, "one"]}) == f"{name} must be a list of at most {most} strings"


@pytest.mark.parametrize("name", ["projects", "rights"])
@pytest.mark.parametrize("value", ["p", {"p": 1}, 7, [7], ["p", None], [["p"]]])
def test_what_is_no_list_of_texts_is_refused(name: str, value: object) -> None:
    assert refusal(**{name: value}).startswith(f"{name} must be a list")


def test_no_refusal_repeats_a_value() -> None:
    for change in ({"sub": f"{SECRET} "}, {"exp": SECRET}, {"projects": [f"{SECRET}/"]}, {"rights": {SECRET: 1}}):
        assert SECRET not in refusal(**change)


@pytest.mark.parametrize("pattern", ["*", "p", "team-*", "a" * 128, "a" * 127 + "*", "a:b.c_d-*", ".*"])
def test_what_names_projects(pattern: str) -> None:
    assert is_pattern(pattern)
    assert identity_from_claims(claims(projects=[pattern])).projects == (pattern,)


@pytest.mark.parametrize("pattern", ["", "**", "a*b", "*a", "a" * 129, "a" * 128 + "*", "a/b", ".", "..", " *", "ä*"])
def test_what_names_none(pattern: str) -> None:
    assert not is_pattern(pattern)
    assert refusal(projects=["p", pattern]).startswith("each entry of projects")


def test_a_right_to_forward_to_all_is_the_right_to_forward_to_each() -> None:
    made = identity_from_claims(claims(rights=[FORWARD_ANY]))
    assert made.rights == frozenset(FORWARD.values())
    assert identity_from_claims(claims(rights=["forward:dev"])).rights == {"forward:dev"}


def test_a_right_of_another_version_grants_nothing() -> None:
    made = identity_from_claims(claims(rights=["subscribe", "subscribe:all", "Admin", "forward:boss", "*"]))
    assert made.rights == {"subscribe"}


@pytest.mark.parametrize(
    ("project_id", "is_covered"),
    [("p", True), ("p2", False), ("", False), ("team-", True), ("team-x", True), ("team", False), ("xteam-x", False)],
)
def test_a_right_holds_on_the_projects_that_are_named(project_id: str, is_covered: bool) -> None:
    made = Identity("ada", None, ("p", "team-*"), frozenset({"subscribe"}))
    assert made.may("subscribe", project_id) == is_covered
    assert not made.may("publish", project_id)
    assert made.may("subscribe"), "no project is named"


def test_where_nobody_has_to_say_who_they_are_everybody_may_do_everything() -> None:
    assert all(ANYONE.may(right, "any.project:1") for right in RIGHTS)
    assert (ANYONE.user_id, ANYONE.expires_at) == ("", None)
