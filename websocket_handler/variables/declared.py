"""PURE: one setting as a field of a struct declares it: its type, its limits, its default and its words."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec
from msgspec import NODEFAULT, Meta

from websocket_handler.variables import values
from websocket_handler.variables.problems import Problem
from websocket_handler.variables.shown import HIDDEN, quoted, redacted


def setting(
    description: str,
    unit: str = "",
    *,
    ge: float | None = None,
    le: float | None = None,
    is_secret: bool = False,
    example: str = "",
) -> Meta:
    """Declare a setting. `example` is needed where the default is empty or missing."""
    extra = {"unit": unit, "is_secret": is_secret, "example": example}
    return Meta(description=description, extra=extra, ge=ge, le=le)


@dataclass(frozen=True, slots=True)
class Described:
    """One setting, for `websocket-handler config` and the documentation."""

    variable: str
    value: str
    default: str
    unit: str
    limits: str
    description: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting. `name` is its field, and in upper case its environment variable."""

    name: str
    hint: Any
    """Its type with its `Meta`."""
    default: object
    """msgspec's NODEFAULT if it is required."""
    meta: Meta
    extra: dict[str, Any]

    @property
    def variable(self) -> str:
        """The name of its environment variable."""
        return self.name.upper()

    @property
    def is_required(self) -> bool:
        """True if it has no default."""
        return self.default is NODEFAULT

    @property
    def description(self) -> str:
        """What it means."""
        return self.meta.description or ""

    def convert(self, text: str) -> object:
        """The value of a text. Raises ValueError."""
        return values.convert(text, self.hint)

    def guess(self, text: str) -> str | None:
        """A value that the writer of a wrong text may have meant."""
        return values.guess(text, self.hint) or None

    def problem(self, text: str, reason: str, guess: str | None = None) -> Problem:
        """A problem with `text` as it may be shown, and with the best example that there is: `guess`, or what was
        declared. An empty `guess` stands for no example."""
        if guess is None:
            guess = ("" if self.is_required else str(self.default)) or self.extra["example"]
        if text.startswith("tcp://") and self.variable.endswith("_PORT"):
            reason += " (Kubernetes sets it for a service of this name: give the pod enableServiceLinks: false)"
        shown = HIDDEN if self._hides(text) else quoted(text) if text else ""
        return Problem(self.variable, reason, shown, guess)

    def _hides(self, text: str) -> bool:
        return bool(text) and (self.extra["is_secret"] or "-----BEGIN" in text)

    def described(self, text: str) -> Described:
        """The setting with the value of `text`, or with its default if the text is empty. Secrets are hidden."""
        default = "required" if self.is_required else str(self.default)
        value = text or ("" if self.is_required else default)
        choices = values.choices(self.hint)
        if choices:
            with suppress(ValueError):
                value = str(self.convert(value)) if value else value
        shown = HIDDEN if self._hides(value) else redacted(value)
        return Described(self.variable, shown, default, self.extra["unit"], self._limits(choices), self.description)

    def _limits(self, choices: tuple[str, ...]) -> str:
        if choices:
            return " | ".join(choice for choice in choices if choice)
        if self.meta.ge is not None and self.meta.le is None:
            return f"at least {self.meta.ge}"
        return " to ".join(str(limit) for limit in (self.meta.ge, self.meta.le) if limit is not None)


def settings_of(struct: type[msgspec.Struct]) -> tuple[Setting, ...]:
    """The settings that a struct declares. Each of its fields is annotated with a type and with `setting(...)`."""
    hints = get_type_hints(struct, include_extras=True)
    return tuple(_setting(field, hints[field.name]) for field in msgspec.structs.fields(struct))


def _setting(field: msgspec.structs.FieldInfo, hint: Any) -> Setting:
    meta = next(item for item in hint.__metadata__ if isinstance(item, Meta))
    return Setting(field.name, hint, field.default, meta, meta.extra or {})
