"""Rows by region: a caller sees the rows whose region is its own claim, in the tables that have such a column.

`configure` runs once, when a mount loads; `decide` for each request. Both get everything they may know as arguments:
there are no files, no network and no clock here, and nothing is kept from one request to the next.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import (
    Allowance,
    ColumnGrant,
    CompareOp,
    Comparison,
    Denial,
    Grant_Narrowed,
    Limits,
    Manifest,
    Mount,
    Node_Claim,
    Node_Column,
    Node_Compare,
    RelationGrant,
    Request,
    Verdict,
    Verdict_Allow,
    Verdict_Deny,
)

SETTINGS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "column": {
            "type": "string",
            "description": "the column that says whose a row is; shown or lent by the mount",
            "default": "region",
        },
        "claim": {
            "type": "string",
            "description": "the claim that says whose rows a caller may see",
            "default": "region",
        },
    },
}


class Decisions(exports.Decisions):
    def describe(self) -> Manifest:
        return Manifest(
            name="{{name}}",
            summary="rows of the caller's own region",
            inputs=[],
            settings_schema=json.dumps(SETTINGS),
        )

    def configure(self, settings: str, mount: Mount) -> bytes:
        given = json.loads(settings)
        chosen = {name: schema["default"] for name, schema in SETTINGS["properties"].items()}
        for name, value in given.items():
            if name not in chosen:
                raise Err(f"unknown setting `{name}`: there are {', '.join(f'`{known}`' for known in chosen)}")
            if not isinstance(value, str):
                raise Err(f"the setting `{name}` should be a string")
            chosen[name] = value
        # For each table of the mount, in its order: how many columns it shows, or 0 where it has no such column.
        tables = []
        for relation in mount.relations:
            names = [column.name for column in relation.columns + relation.lent]
            tables.append(len(relation.columns) if chosen["column"] in names else 0)
        if not any(tables):
            raise Err(f"no table of `{mount.name}` shows or lends `{chosen['column']}`")
        return json.dumps({**chosen, "tables": tables}).encode()

    def decide(self, prepared: bytes, request: Request) -> Verdict:
        settings = json.loads(prepared)
        claim = settings["claim"]
        if not any(known.name == claim for known in request.claims):
            return Verdict_Deny(
                Denial(
                    code="no_claim",
                    reason=f"your claims do not say `{claim}`",
                    hint=f"ask with a session that has the claim `{claim}`",
                )
            )
        # `column = claim`: a list of nodes, each before the one that uses it.
        own_rows = [
            Node_Column(settings["column"]),
            Node_Claim(claim),
            Node_Compare(Comparison(op=CompareOp.EQ, left=0, right=1)),
        ]
        grants = []
        for place, touched in enumerate(request.touch.relations):
            shown = settings["tables"][touched.relation]
            if shown:
                # The ceiling's own masks and filter stay, whether repeated here or not.
                columns = [ColumnGrant(column=index, masks=[]) for index in range(shown)]
                grants.append(RelationGrant(relation=place, columns=columns, filter=own_rows))
        return Verdict_Allow(Allowance(grant=Grant_Narrowed(grants), limits=no_limits(), valid_for_ms=None))


def no_limits() -> Limits:
    return Limits(
        requests=[], rows=[], bytes=[], max_rows=None, max_bytes=None, timeout_ms=None, concurrency=None
    )
