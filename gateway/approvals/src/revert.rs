//! Undoing what was executed: a write that brings the rows back, as a hold of its own.
//!
//! It goes the way of every write, with the agent's own ceiling and claims: there is no way round it, also for people. So
//! what the mount does not let be written can't be written back here; that is told, and is for whoever runs the store.

use mountgate_core::{ColumnName, Effect, RelationName, RowChange, Value, Verb};
use mountgate_identity::Person;

use crate::{
    ApprovalError, Approvals, HeldWrite, HoldId, NewHold, Preview, Requester, Run, State,
    approvals::{blocking, may_see, now_ms},
};

/// The effect that takes another one back.
pub(crate) fn inverse(effect: &Effect) -> Effect {
    let verb = match effect.verb {
        Verb::Insert => Verb::Delete,
        Verb::Delete => Verb::Insert,
        other => other,
    };
    let rows = effect
        .rows
        .iter()
        .map(|row| RowChange {
            // An update may have changed the key itself.
            key: row.after.as_ref().map_or_else(|| row.key.clone(), |after| key_of(effect, after)),
            before: row.after.clone(),
            after: row.before.clone(),
        })
        .collect();
    Effect { verb, rows, ..effect.clone() }
}

fn key_of(effect: &Effect, row: &[Value]) -> Vec<Value> {
    effect
        .key
        .iter()
        .filter_map(|key| row.get(effect.columns.iter().position(|column| column == key)?).cloned())
        .collect()
}

/// The statement that does what `wanted` says, and its parameters.
pub(crate) fn statement(wanted: &Effect) -> Result<(String, Vec<Value>), String> {
    let mut text = Text { sql: String::new(), params: vec![] };
    if wanted.key.is_empty() || wanted.rows.is_empty() {
        return Err("its rows have no key to find them by".to_owned());
    }
    let relation = relation(&wanted.relation);
    match wanted.verb {
        Verb::Update => {
            let changed = changed(wanted)?;
            text.sql.push_str(&format!("UPDATE {relation} SET "));
            for (at, (column, value)) in changed.into_iter().enumerate() {
                text.comma(at);
                text.sql.push_str(&format!("{} = ", quoted(column.as_str())));
                text.value(value);
            }
            text.keys(wanted);
        }
        Verb::Delete => {
            text.sql.push_str(&format!("DELETE FROM {relation}"));
            text.keys(wanted);
        }
        Verb::Insert => {
            let columns: Vec<String> = wanted.columns.iter().map(|column| quoted(column.as_str())).collect();
            text.sql.push_str(&format!("INSERT INTO {relation} ({}) VALUES ", columns.join(", ")));
            for (at, row) in wanted.rows.iter().enumerate() {
                text.comma(at);
                text.sql.push('(');
                for (at, value) in row.after.iter().flatten().enumerate() {
                    text.comma(at);
                    text.value(value);
                }
                text.sql.push(')');
            }
        }
        Verb::Read => return Err("it changed nothing".to_owned()),
    }
    Ok((text.sql, text.params))
}

/// The columns that an update gives back, each with its one value.
fn changed(wanted: &Effect) -> Result<Vec<(&ColumnName, &Value)>, String> {
    let mut changed = Vec::new();
    for (at, column) in wanted.columns.iter().enumerate() {
        let pairs: Vec<(Option<&Value>, Option<&Value>)> = wanted
            .rows
            .iter()
            .map(|row| {
                (row.before.as_ref().and_then(|row| row.get(at)), row.after.as_ref().and_then(|row| row.get(at)))
            })
            .collect();
        if pairs.iter().all(|(before, after)| before == after) {
            continue;
        }
        match pairs.split_first() {
            Some(((_, Some(value)), rest)) if rest.iter().all(|(_, after)| *after == Some(*value)) => {
                changed.push((column, *value));
            }
            _ => {
                return Err(format!(
                    "its rows had different values of `{column}` before, and one statement gives all the same"
                ));
            }
        }
    }
    if changed.is_empty() { Err("it changed nothing".to_owned()) } else { Ok(changed) }
}

struct Text {
    sql: String,
    params: Vec<Value>,
}

impl Text {
    fn comma(&mut self, at: usize) {
        if at > 0 {
            self.sql.push_str(", ");
        }
    }

    fn value(&mut self, value: &Value) {
        if *value == Value::Null {
            self.sql.push_str("NULL");
            return;
        }
        self.params.push(value.clone());
        self.sql.push_str(&format!("${}", self.params.len()));
    }

    fn keys(&mut self, wanted: &Effect) {
        self.sql.push_str(" WHERE ");
        for (at, row) in wanted.rows.iter().enumerate() {
            if at > 0 {
                self.sql.push_str(" OR ");
            }
            for (at, (column, value)) in wanted.key.iter().zip(&row.key).enumerate() {
                if at > 0 {
                    self.sql.push_str(" AND ");
                }
                self.sql.push_str(&format!("{} = ", quoted(column.as_str())));
                self.value(value);
            }
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn relation(name: &RelationName) -> String {
    name.as_str().split('.').map(quoted).collect::<Vec<_>>().join(".")
}

impl Approvals {
    /// Makes a hold that would bring back the rows as they were before an executed write, where they are as it left
    /// them. It waits for approval like any other, by someone else than who asks for it here.
    ///
    /// # Errors
    /// Where the person may not, it was not executed, its values are erased, the rows have changed since, or the mount
    /// does not let them be written back.
    pub async fn revert(&self, person: &Person, id: &HoldId) -> Result<HoldId, ApprovalError> {
        let (this, name, hold) = (self.clone(), person.name().to_owned(), *id);
        let (row, held) = blocking(move || {
            let person = this.current(&name)?.ok_or(ApprovalError::NotFound)?;
            let row = this.0.store.load(&hold)?;
            if !may_see(&person, &row.header) {
                return Err(ApprovalError::NotFound);
            }
            if row.state != State::Executed {
                return Err(ApprovalError::State { state: row.state, act: "reverted" });
            }
            let (held, _) = this.opened(&row)?;
            Ok((row, held))
        })
        .await?;
        let Preview::Effect(effect) = &held.preview else { return Err(ApprovalError::Erased) };
        let wanted = inverse(effect);
        let (sql, params) = statement(&wanted).map_err(ApprovalError::Revert)?;
        let run = Run {
            hold: HoldId::new(),
            mount: row.header.mount.clone(),
            agent: row.header.agent.clone(),
            session: row.header.session.clone(),
            on_behalf_of: row.header.on_behalf_of.clone(),
            claims: held.claims,
            door: row.header.door,
            plugin: row.header.plugin,
            settings: row.header.settings,
            sql,
            params,
            purpose: held.purpose,
            reason: Some(format!("takes back {id}")),
            // Its key was the first write's.
            idempotency_key: None,
        };
        let previewed = self.middle()?.preview(&run).await.map_err(ApprovalError::Revert)?;
        if previewed.effect != wanted {
            let why = "the rows are not as the write left them, or what was there before can't be brought back exactly";
            return Err(ApprovalError::Revert(why.to_owned()));
        }
        let new = NewHold {
            mount: run.mount,
            agent: run.agent,
            session: run.session,
            on_behalf_of: run.on_behalf_of,
            decision: None,
            generation: previewed.generation,
            door: run.door,
            plugin: previewed.plugin,
            settings: previewed.settings,
            needed: previewed.needed.max(row.header.needed),
            expires_ms: now_ms().saturating_add(previewed.waits_ms),
            write: HeldWrite {
                sql: run.sql,
                params: run.params,
                purpose: run.purpose,
                reason: run.reason,
                why: None,
                idempotency_key: None,
                claims: run.claims,
                preview: Preview::Effect(previewed.effect),
            },
        };
        let (this, new_id, requester, of) = (self.clone(), run.hold, Requester::Person(person.name().to_owned()), *id);
        blocking(move || this.hold_for(new_id, new, requester, Some(of))).await
    }
}
