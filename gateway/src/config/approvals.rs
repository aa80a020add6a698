//! `[approvals]` and `[webhooks.NAME]`: writes that wait for people, and who is told of them.

use std::{collections::BTreeMap, path::Path, time::Duration};

use mountgate_approvals::{State, WebhookAddress};
use mountgate_core::ceiling::likely;

use super::{
    name,
    reader::{Table, Value},
    secret::{Secret, secret},
    units,
};

/// `[approvals]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalsSection {
    /// How long a write waits, where the policy does not say.
    pub expires: Duration,
    /// For how long an executed write can be taken back; then its values are erased.
    pub undo: Duration,
    /// How long after its end the values of any other are erased.
    pub erase: Duration,
    /// The most writes of one agent that may wait.
    pub pending: u32,
}

impl Default for ApprovalsSection {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Self { expires: days(1), undo: days(7), erase: days(1), pending: 100 }
    }
}

/// `[webhooks.NAME]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Where messages go. Nothing but this says so.
    pub url: WebhookAddress,
    /// What they are signed with.
    pub secret: Secret,
    /// The states of which a message is sent when a hold comes to them.
    pub events: Vec<State>,
}

pub(super) fn section(table: Option<&Table<'_>>) -> ApprovalsSection {
    let get = |key| table.and_then(|table| table.get(key));
    let standard = ApprovalsSection::default();
    let span = |key, standard| get(key).and_then(|value| value.parsed(units::duration)).unwrap_or(standard);
    let expires = get("expires").and_then(|value| {
        value.parsed(|text| match units::duration(text)? {
            span if span < Duration::from_secs(60) => {
                Err(format!("`{text}` is too short for people: write `1m` or more"))
            }
            span => Ok(span),
        })
    });
    ApprovalsSection {
        expires: expires.unwrap_or(standard.expires),
        undo: span("undo", standard.undo),
        erase: span("erase", standard.erase),
        pending: get("pending")
            .and_then(|value| value.integer(1, 1_000_000))
            .and_then(|most| u32::try_from(most).ok())
            .unwrap_or(standard.pending),
    }
}

pub(super) fn webhooks(table: Option<&Table<'_>>, folder: &Path) -> BTreeMap<String, WebhookConfig> {
    let mut hooks = BTreeMap::new();
    for entry in table.map(Table::entries).unwrap_or_default() {
        match name(&entry.key) {
            Ok(name) => drop(webhook(&entry, folder).map(|hook| hooks.insert(name, hook))),
            Err(why) => entry.reject_key(why),
        }
    }
    hooks
}

fn webhook(entry: &Value<'_>, folder: &Path) -> Option<WebhookConfig> {
    let table = entry.table()?;
    let url = table
        .require("url", "url = \"http://127.0.0.1:9000/hooks\"")
        .and_then(|value| value.parsed(|text| text.parse::<WebhookAddress>()));
    let secret = table.require("secret", "secret = { env = \"DESK_SECRET\" }").and_then(|value| secret(&value, folder));
    let events = match table.get("events") {
        None => vec![State::Pending, State::Failed, State::Stale, State::Unknown],
        Some(value) => {
            let mut events = Vec::new();
            for (text, span) in value.strings().unwrap_or_default() {
                match State::from_label(text) {
                    Some(state) => events.push(state),
                    None => {
                        let near = likely(text, State::ALL.iter().map(|state| state.label()));
                        let hint = near.map_or_else(
                            || "write `pending`, `executed`, `denied`, …".to_owned(),
                            |near| format!("did you mean `{near}`?"),
                        );
                        value.reject_at(&span, format!("`{text}` is no state of a write that waits: {hint}"));
                    }
                }
            }
            events
        }
    };
    Some(WebhookConfig { url: url?, secret: secret?, events })
}

#[cfg(test)]
mod tests;
