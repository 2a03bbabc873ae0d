"""SciCat's users."""

from dataclasses import dataclass

from archiver.scicat.json_values import Json


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of SciCat, with the groups that SciCat's rules know the user by."""

    username: str
    groups: frozenset[str]


def identity_of(body: Json) -> Identity:
    """The user that SciCat says a token is of."""
    profile = body["profile"]
    return Identity(str(profile["username"]), frozenset(profile.get("accessGroups") or ()))
