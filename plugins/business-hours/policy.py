"""Business hours and purpose: the ceiling as it is, on the days and at the times that the mount says, for a purpose that it
names.

```toml
policy = "examples/business-hours"

[settings]
days     = ["mon", "tue", "wed", "thu", "fri"]
from     = "08:00"                       # in the mount's zone
until    = "18:00"
purposes = ["refund", "delivery"]        # left out: any purpose, and none
```

The agent writes its own purpose: it is a label for the record and a hurdle for the careless, not proof.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import (
    Allowance,
    Denial,
    Grant_Ceiling,
    Input,
    Limits,
    Manifest,
    Mount,
    Request,
    Verdict,
    Verdict_Allow,
    Verdict_Deny,
)

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
SETTINGS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["from", "until"],
    "properties": {
        "days": {"type": "array", "items": {"enum": DAYS}, "default": DAYS[:5]},
        "from": {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$"},
        "until": {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$"},
        "purposes": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    },
}


def minute(name: str, text) -> int:
    """The minute of the day that a text like `08:00` names."""
    parts = text.split(":") if isinstance(text, str) else []
    if len(parts) == 2 and all(len(part) == 2 and part.isdigit() for part in parts):
        hour, rest = int(parts[0]), int(parts[1])
        if rest < 60 and hour * 60 + rest <= 24 * 60:
            return hour * 60 + rest
    raise Err(f"`{name}` should read like `08:00`")


class Decisions(exports.Decisions):
    def describe(self) -> Manifest:
        return Manifest(
            name="examples/business-hours",
            summary="the ceiling as it is, in business hours and for a named purpose",
            inputs=[Input.TIME],
            settings_schema=json.dumps(SETTINGS),
        )

    def configure(self, settings: str, mount: Mount) -> bytes:
        given = json.loads(settings)
        for name in given:
            if name not in SETTINGS["properties"]:
                raise Err(f"unknown setting `{name}`: there are `days`, `from`, `until`, `purposes`")
        for name in SETTINGS["required"]:
            if name not in given:
                raise Err(f"`{name}` is missing: write `{name} = \"08:00\"`")
        days = given.get("days", DAYS[:5])
        if not isinstance(days, list) or not days or any(day not in DAYS for day in days):
            raise Err(f"`days` should list some of {', '.join(DAYS)}")
        purposes = given.get("purposes")
        if purposes is not None and not (
            isinstance(purposes, list) and purposes and all(isinstance(purpose, str) for purpose in purposes)
        ):
            raise Err("`purposes` should be a list of texts, with one at least")
        begin, end = minute("from", given["from"]), minute("until", given["until"])
        if begin >= end:
            raise Err("`from` should be before `until`")
        prepared = {
            "weekdays": [DAYS.index(day) + 1 for day in days],
            "begin": begin,
            "end": end,
            "told": f"{', '.join(days)}, {given['from']} to {given['until']}",
            "purposes": purposes,
        }
        return json.dumps(prepared).encode()

    def decide(self, prepared: bytes, request: Request) -> Verdict:
        rules = json.loads(prepared)
        now = request.time
        if now is None:
            # Closed where the time is not told.
            raise Err("the request says no time")
        if now.weekday not in rules["weekdays"] or not rules["begin"] <= now.minute < rules["end"]:
            return deny("outside_hours", "this mount is closed now", f"it is open {rules['told']}")
        purposes = rules["purposes"]
        if purposes is not None and request.purpose not in purposes:
            return deny(
                "purpose_not_named",
                "this mount is for some purposes only",
                f"say one of them as `purpose`: {', '.join(purposes)}",
            )
        nothing = Limits(
            requests=[], rows=[], bytes=[], max_rows=None, max_bytes=None, timeout_ms=None, concurrency=None
        )
        return Verdict_Allow(Allowance(grant=Grant_Ceiling(), limits=nothing, valid_for_ms=None))


def deny(code: str, reason: str, hint: str) -> Verdict:
    return Verdict_Deny(Denial(code=code, reason=reason, hint=hint))
