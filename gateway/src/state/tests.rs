use mountgate_ledger::{Selection, export};

use super::*;
use crate::config::MAIN_FILE;

fn state(folder: &Path) -> State {
    let main = "[backends.shop]\nkind = \"sqlite\"\npath = \"shop.db\"\n";
    fs::write(folder.join(MAIN_FILE), main).unwrap();
    State::open(&MainFile::load(&folder.join(MAIN_FILE)).unwrap()).unwrap()
}

fn acts(state: &State) -> Vec<String> {
    let only = Selection { kind: Some("admin".into()), ..Selection::default() };
    export(&state.ledger_config().dir, only)
        .unwrap()
        .map(|entry| entry.unwrap().record().unwrap()["act"].as_str().unwrap().to_owned())
        .filter(|act| act != "ledger.open")
        .collect()
}

#[test]
fn an_act_is_in_the_ledger_where_no_gateway_runs() {
    let folder = tempfile::tempdir().unwrap();
    let state = state(folder.path());
    state.record(&Act::of_command_line("agent.add", serde_json::json!({"agent": "a"}))).unwrap();
    assert_eq!(acts(&state), ["agent.add"]);
}

#[test]
fn an_act_beside_a_running_gateway_is_recorded_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let state = state(folder.path());
    let ledger = state.ledger().unwrap();
    for act in ["agent.add", "agent.revoke"] {
        state.record(&Act::of_command_line(act, serde_json::Value::Null)).unwrap();
    }
    assert!(acts(&state).is_empty());
    assert_eq!(state.record_waiting(&ledger).unwrap(), 2);
    assert_eq!(state.record_waiting(&ledger).unwrap(), 0);
    assert_eq!(acts(&state), ["agent.add", "agent.revoke"]);
}

#[test]
fn an_act_left_by_a_gateway_that_ended_is_recorded_with_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let state = state(folder.path());
    let ledger = state.ledger().unwrap();
    state.record(&Act::of_command_line("agent.add", serde_json::Value::Null)).unwrap();
    drop(ledger);
    state.record(&Act::of_command_line("agent.revoke", serde_json::Value::Null)).unwrap();
    assert_eq!(acts(&state), ["agent.add", "agent.revoke"]);
}
