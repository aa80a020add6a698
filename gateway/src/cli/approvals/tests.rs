use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde_json::json;

use super::{
    screen::{plain, value, write},
    *,
};

#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn screen(shown: &Json) -> String {
    let screen = Screen::default();
    write(shown, &mut Output::to(false, screen.clone())).unwrap();
    String::from_utf8(screen.0.lock().unwrap().clone()).unwrap()
}

fn shown() -> Json {
    json!({
        "id": "0198c0de", "state": "pending", "mount": "support", "agent": "support-bot",
        "requester": "agent", "reason": "the customer asked", "needed": 2, "approved_by": ["bob"],
        "expires_ms": 1_800_000_000_000_i64, "verb": "update", "relation": "tickets", "rows": 1,
        "claims_asked": { "customer_id": 42 },
        "sql": "UPDATE tickets SET state = $1 WHERE ticket_id = $2", "params": ["closed", 7],
        "key": ["ticket_id"], "columns": ["ticket_id", "state", "seen"],
        "changes": [{ "key": [7], "before": [7, "open", null], "after": [7, "closed", null] }],
    })
}

#[test]
fn everything_that_would_be_written_is_shown() {
    let expected = "\
id          0198c0de
state       pending
mount       support
agent       support-bot
reason      the customer asked
claims      customer_id = 42
until       2027-01-15T08:00:00Z
approved    1 of 2 bob

  UPDATE tickets SET state = $1 WHERE ticket_id = $2
  $1 = 'closed'
  $2 = 7

update 1 in tickets:
  ticket_id = 7
      ticket_id: 7
    - state: 'open'
    + state: 'closed'
      seen: NULL
";
    assert_eq!(screen(&shown()), expected);
}

/// A reason that clears the screen and prints another write; a value that reads backwards.
#[test]
fn an_agents_words_can_not_draw_over_what_is_shown() {
    let mut shown = shown();
    let hostile = "\u{1b}[2J\u{1b}[Hid  other\r\nsql DELETE\u{202e}\u{200b}\u{7}\u{9b}2J";
    for key in ["reason", "agent", "purpose", "session", "sql"] {
        shown[key] = json!(hostile);
    }
    shown["params"] = json!([hostile, { "type": hostile, "value": hostile }]);
    shown["changes"][0]["after"] = json!([7, hostile, hostile]);
    shown["columns"] = json!(["ticket_id", hostile, "seen"]);
    shown["approved_by"] = json!([hostile]);
    shown["claims_asked"] = json!({ hostile: hostile });
    let screen = screen(&shown);
    let drawn = screen.chars().filter(|c| *c != '\n' && (c.is_control() || matches!(c, '\u{202e}' | '\u{200b}')));
    assert_eq!(drawn.count(), 0, "{screen:?}");
    // A line of the statement is a line here, set in; nothing else begins one.
    let lines = screen.lines().filter(|line| line.contains("DELETE") && !line.contains("\\u{1b}"));
    assert_eq!(lines.collect::<Vec<_>>(), ["  sql DELETE\\u{202e}\\u{200b}\\u{7}\\u{9b}2J"]);
}

#[test]
fn values_are_told_apart() {
    let all = [
        (json!(null), "NULL"),
        (json!("NULL"), "'NULL'"),
        (json!("it's"), "'it''s'"),
        (json!(7), "7"),
        (json!("7"), "'7'"),
        (json!({ "type": "decimal", "value": "7" }), "decimal '7'"),
        (json!({ "type": "float", "value": 7.0 }), "7.0"),
        (json!({ "type": "array", "value": [1, null, "x"] }), "[1, NULL, 'x']"),
        (json!(true), "true"),
        (json!("true"), "'true'"),
    ];
    for (json, text) in all {
        assert_eq!(value(&json), text);
    }
    assert_eq!(plain("größe 表"), "größe 表");
}

#[test]
fn an_id_leads_nowhere_else() {
    for bad in ["", "../reload", "a/approve", "0198 c0de", "%2e%2e"] {
        assert!(path_of(bad).is_err(), "{bad}");
    }
}
