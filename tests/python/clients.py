"""The same rows for every client: curl, `requests` with JSON, NDJSON and `msgpack`, the `mcp` client, and a direct
connection. Takes the path of a demo's `demo.json`; the demo must be serving."""

import asyncio
import datetime
import decimal
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import mcp
import msgpack
import pg8000.native
import requests
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

DEMO = json.loads(Path(sys.argv[1]).read_text())
URL = DEMO["data_url"]
POSTGRES = DEMO["backend"] == "postgres"

# Who asks, where, what, with which parameters, and what a direct connection is asked for the same rows.
CASES = [
    (
        ("sessions", "support-42"),
        "support",
        "SELECT order_id, status, total_cents, created_at, shipped_at FROM orders ORDER BY order_id",
        [],
        "SELECT order_id, status, total_cents, created_at, shipped_at FROM orders WHERE customer_id = 42 ORDER BY order_id",
    ),
    (
        ("sessions", "support-7"),
        "support",
        "SELECT ticket_id, subject, body, state FROM tickets WHERE state <> {0} ORDER BY ticket_id",
        ["closed"],
        "SELECT ticket_id, subject, body, state FROM tickets WHERE customer_id = 7 AND state <> 'closed' ORDER BY ticket_id",
    ),
    (
        ("agents", "reporting-bot"),
        "reporting",
        "SELECT c.region, o.status, count(*) AS n, min(o.total_cents) AS least FROM orders o "
        "JOIN customers c USING (customer_id) GROUP BY c.region, o.status ORDER BY c.region, o.status",
        [],
        "SELECT c.region, o.status, count(*) AS n, min(o.total_cents) AS least FROM orders o "
        "JOIN customers c USING (customer_id) GROUP BY c.region, o.status ORDER BY c.region, o.status",
    ),
    (
        ("agents", "reporting-bot"),
        "reporting",
        "SELECT order_id, line, product, quantity FROM order_items ORDER BY order_id, line LIMIT 4000",
        [],
        "SELECT order_id, line, product, quantity FROM order_items ORDER BY order_id, line LIMIT 4000",
    ),
    (
        ("agents", "reporting-bot"),
        "reporting",
        "SELECT action_id, succeeded, created_at FROM agent_actions WHERE action_id <= {0} ORDER BY action_id",
        [200],
        "SELECT action_id, succeeded, created_at FROM agent_actions WHERE action_id <= 200 ORDER BY action_id",
    ),
    (
        ("agents", "senior-bot"),
        "backoffice",
        "SELECT customer_id, name, email FROM customers WHERE region = {0} ORDER BY customer_id",
        ["south"],
        "SELECT customer_id, name, email FROM customers WHERE region = 'south' ORDER BY customer_id",
    ),
]

# What is refused, alike by every door.
REFUSED = [
    (("sessions", "support-42"), "support", "SELECT margin_cents FROM orders", "not_in_scope"),
    (("sessions", "support-42"), "support", "SELECT * FROM employee_records", "not_in_scope"),
    (("agents", "support-bot"), "support", "SELECT * FROM orders", "claim_missing"),
    (("agents", "junior-bot"), "reporting", "SELECT * FROM orders", "mount_not_found"),
]


def token(who):
    kind, name = who
    return DEMO[kind][name]["token"]


def headers(who, **more):
    return {"Authorization": f"Bearer {token(who)}", **more}


def query(mount, sql, params):
    placeholder = "$1" if POSTGRES else "?1"
    return {"mount": mount, "sql": sql.format(placeholder), "params": params}


def whole(answer):
    assert answer["complete"] is True and answer["truncated"] is False, answer
    assert answer["row_count"] == len(answer["rows"]), answer
    return answer["rows"]


def by_curl(who, body):
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "30", f"{URL}/v1/query", "--header", "@-",
         "--header", "Content-Type: application/json", "--data-binary", json.dumps(body)],
        input=f"Authorization: Bearer {token(who)}\n", capture_output=True, text=True, check=True,
    )
    return json.loads(done.stdout)


def by_requests(who, body):
    answer = requests.post(f"{URL}/v1/query", json=body, headers=headers(who), timeout=30)
    assert answer.headers["X-Mountgate-Decision"] == answer.json().get("decision_id", answer.headers["X-Mountgate-Decision"])
    return answer.json()


def by_lines(who, body):
    answer = requests.post(f"{URL}/v1/query", json=body, headers=headers(who, Accept="application/x-ndjson"), timeout=30)
    if answer.status_code != 200:
        return answer.json()
    first, *rows, last = [json.loads(line) for line in answer.text.splitlines()]
    return {**first, "rows": rows, **last}


def by_msgpack(who, body):
    answer = requests.post(
        f"{URL}/v1/query", data=msgpack.packb(body), timeout=30,
        headers=headers(who, **{"Content-Type": "application/msgpack"}),
    )
    return msgpack.unpackb(answer.content)


def by_mcp(who, body):
    async def ask():
        async with create_mcp_http_client(headers=headers(who)) as http:
            async with mcp.Client(streamable_http_client(f"{URL}/mcp", http_client=http)) as client:
                tools = {tool.name for tool in (await client.list_tools()).tools}
                assert {"list_tables", "describe_table", "query", "explain", "my_permissions"} <= tools, tools
                return (await client.call_tool("query", body)).structured_content

    return asyncio.run(ask())


CLIENTS = [by_curl, by_requests, by_lines, by_msgpack, by_mcp]


def as_told(value):
    """A value of a driver's, as the gateway tells it."""
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    return value


def directly(sql):
    config = Path(DEMO["config"])
    if not POSTGRES:
        with sqlite3.connect(f"file:{config.parent / 'shop.db'}?mode=ro", uri=True) as connection:
            return [list(row) for row in connection.execute(sql)]
    text = config.read_text()
    field = lambda name: re.search(rf'^{name}\s*=\s*"?([^"\n]+)"?', text.split("[backends.shop]")[1], re.M)[1]
    connection = pg8000.native.Connection(
        field("user"), host=field("host"), port=int(field("port")), database=field("database"),
        password=(config.parent / "shop.password").read_text(),
    )
    try:
        return [[as_told(value) for value in row] for row in connection.run(sql)]
    finally:
        connection.close()


def main():
    passed, failed = 0, 0

    def check(what, good, otherwise):
        nonlocal passed, failed
        if good:
            passed += 1
        else:
            failed += 1
            print(f"FAILED {what}: {str(otherwise)[:600]}")

    for who, mount, sql, params, direct in CASES:
        wanted = directly(direct)
        assert wanted, f"no rows to compare: {direct}"
        for client in CLIENTS:
            what = f"{client.__name__}, {who[1]}: {sql[:50]}"
            try:
                rows = whole(client(who, query(mount, sql, params)))
                check(what, rows == wanted, f"{len(rows)} rows {rows[:2]}, wanted {len(wanted)} {wanted[:2]}")
            except Exception as error:  # the next client is still worth asking
                check(what, False, repr(error))
    for who, mount, sql, code in REFUSED:
        for client in CLIENTS:
            what = f"{client.__name__}, {who[1]}: {sql[:50]}"
            try:
                said = client(who, query(mount, sql, []))
                check(what, said.get("error", {}).get("code") == code, said)
            except Exception as error:
                check(what, False, repr(error))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
