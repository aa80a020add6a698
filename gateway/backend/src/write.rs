//! A write, carried out in one transaction: which rows, their new values, what the store made of them, whether all of it
//! is in scope, and only then the commit.
//!
//! Two walls stand here too. The look-ups that `sql` printed say whether a row is in scope; the wall's own view of the
//! relation, named from the ceiling alone, is asked the same in words of this file.

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc, time::Instant};

use mountgate_core::{
    ClaimName, ClaimValue, Code, ColumnType, Effect, Refusal, RelationCeiling, RowChange, Value, Verb,
};
use mountgate_driver::{Begin, Behind, Change, Class, StoreError, Transaction, Uncommitted, Writable};
use mountgate_ledger::{Completion, DecisionId, Outcome, Recorded, Status};
use mountgate_limits::{Caps, Permit, Permitted};
use mountgate_sql::{Assigned, Authorized, BoundWrite, Lookup, Read};

use crate::{Backend, Wall, refusal::refusal};

/// What is to become of a write's transaction.
#[derive(Clone, Debug)]
pub enum Aim {
    /// It is rolled back, whatever it does.
    Preview,
    /// It is committed, unless it changes more rows than need no approval.
    Commit {
        /// The most rows that are changed without a person's approval.
        at_most: Option<u64>,
        /// What is left in the store, where it has a place for it.
        marker: Option<String>,
    },
    /// It is committed with the marker, if it does what is expected and nothing else.
    Execute {
        /// What was shown.
        expected: Effect,
        /// What is left in the store, where it has a place for it.
        marker: String,
    },
}

/// What a write did.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// How the transaction ended.
    pub ended: Ended,
    /// The rows before and after, unmasked: for the gateway and for people.
    pub effect: Effect,
    /// What RETURNING gives, in the effect's order.
    pub returned: Vec<Vec<Value>>,
}

/// How a write's transaction ended, where nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is committed.
    Committed,
    /// It is rolled back, as it was to be, or for it changes more rows than need no approval.
    RolledBack,
    /// It is rolled back, for it would do something else than expected.
    Stale,
}

/// What is owed to limits and ledger for a write; paid once, at the latest when it is dropped.
struct Account {
    owed: Option<(Permit, Completion)>,
    since: Instant,
}

impl Account {
    fn pay(&mut self, status: Status, rows: u64) {
        let Some((permit, completion)) = self.owed.take() else { return };
        let took = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        permit.settle(rows, 0);
        completion.finish(Outcome { status, rows, bytes: 0, backend_us: took, total_us: took });
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.pay(Status::Cancelled, 0);
    }
}

impl Backend {
    /// Whether anything can be written here: not behind a wall of PostgreSQL's, which grants none.
    pub fn is_writable(&self) -> bool {
        !matches!(self.wall, Some(Wall::Postgres(..)))
    }

    /// Whether the marker is in the store; `None` where it has no place for one.
    ///
    /// # Errors
    /// Where it can't be asked. The error's detail is for the operator.
    pub async fn marker(&self, id: &str) -> Result<Option<bool>, mountgate_driver::StoreError> {
        self.store.marker(id).await
    }

    /// Carries out a write on a relation of that ceiling. Run it in a task of its own: dropped in the middle, what is
    /// not committed is rolled back, and whether it was committed may not be known.
    ///
    /// # Errors
    /// A refusal that tells nothing of the store; nothing is changed then, but for `outcome_unknown`.
    pub async fn write(
        &self,
        write: Recorded<Permitted<Authorized<BoundWrite>>>,
        ceiling: &RelationCeiling,
        aim: Aim,
    ) -> Result<Ran, Refusal> {
        let (permitted, completion) = write.into_parts();
        let (authorized, permit) = permitted.into_parts();
        let caps = permit.caps();
        let decision = completion.id();
        let mut account = Account { owed: Some((permit, completion)), since: Instant::now() };
        let run = Run { backend: self, write: authorized.get(), ceiling, decision, caps };
        let ran = run.run(aim).await;
        match &ran {
            Ok(ran) => {
                let rows = u64::try_from(ran.effect.rows.len()).unwrap_or(u64::MAX);
                match ran.ended {
                    Ended::Committed => account.pay(Status::Whole, rows),
                    Ended::RolledBack => account.pay(Status::Held, rows),
                    Ended::Stale => account.pay(Status::Failed(Code::WriteConflict), 0),
                }
            }
            Err(refusal) => account.pay(Status::Failed(refusal.code), 0),
        }
        ran
    }
}

struct Run<'a> {
    backend: &'a Backend,
    write: &'a BoundWrite,
    ceiling: &'a RelationCeiling,
    decision: DecisionId,
    caps: Caps,
}

/// A row on its way: its key before, and what is assigned.
struct Row {
    key: Vec<Value>,
    change: Change,
}

impl Run<'_> {
    async fn run(&self, aim: Aim) -> Result<Ran, Refusal> {
        if !self.backend.is_writable() {
            return Err(Refusal::new(Code::WriteNotAllowed, "nothing can be written behind this backend's wall")
                .hint("ask the mount's owner"));
        }
        let mut transaction = self.backend.store.begin(self.begin()).await.map_err(|error| self.failed(&error))?;
        let tx = &mut transaction;
        let rows = self.rows(tx).await?;
        let mut returned = Vec::new();
        let deletes = self.write.verb() == Verb::Delete;
        let mut changes: Vec<RowChange> = Vec::new();
        for Row { key, change } in rows {
            let mut before = None;
            if self.write.verb() != Verb::Insert {
                self.walled(tx, &key).await?;
                before = tx.row(key.clone()).await.map_err(|error| self.failed(&error))?;
                if before.is_none() {
                    return Err(conflict());
                }
            }
            if deletes {
                self.returning(tx, &key, &mut returned).await?;
            }
            self.parents(tx, |column| change.set.iter().find(|(set, _)| set == column).map(|(_, value)| value.clone()))
                .await?;
            let mut changed = tx.change(change).await.map_err(|error| self.unchanged(&error))?;
            // A trigger may have turned it down without a word.
            let (Some(after_key), true) = (changed.pop(), changed.is_empty()) else {
                return Err(not_taken());
            };
            let key = if self.write.verb() == Verb::Insert { after_key.clone() } else { key };
            let after = if deletes { None } else { Some(after_key) };
            changes.push(RowChange { key, before, after });
        }
        // Once all is changed: what is stored then is what is judged, whatever triggers and defaults made of it.
        for change in &mut changes {
            let Some(key) = change.after.take() else { continue };
            self.in_scope(tx, &key).await?;
            self.walled(tx, &key).await?;
            let stored = tx.row(key.clone()).await.map_err(|error| self.failed(&error))?.ok_or_else(conflict)?;
            let info = self.write.store();
            self.parents(tx, |column| {
                let at = info.columns.iter().position(|known| &known.name == column)?;
                stored.get(at).cloned()
            })
            .await?;
            self.returning(tx, &key, &mut returned).await?;
            change.after = Some(stored);
        }
        let effect = self.effect(changes, &mut returned);
        let rows = u64::try_from(effect.rows.len()).unwrap_or(u64::MAX);
        let ended = match aim {
            Aim::Preview => Ended::RolledBack,
            Aim::Commit { at_most, .. } if at_most.is_some_and(|most| rows > most) => Ended::RolledBack,
            Aim::Commit { marker, .. } => {
                if let Some(marker) = marker {
                    tx.mark(&marker).await.map_err(|error| self.failed(&error))?;
                }
                self.commit(transaction).await?
            }
            Aim::Execute { expected, .. } if expected != effect => Ended::Stale,
            Aim::Execute { marker, .. } => {
                tx.mark(&marker).await.map_err(|error| self.failed(&error))?;
                self.commit(transaction).await?
            }
        };
        Ok(Ran { ended, effect, returned })
    }

    fn begin(&self) -> Begin {
        let (verb, write) = (self.write.verb(), self.ceiling.write.as_ref());
        let columns = write.filter(|write| write.lets(verb)).map(|write| write.columns(verb).to_vec());
        let reads = self.reads();
        let lends = reads.iter().any(|read| read.plan().lends());
        let mut claims: Vec<(ClaimName, ClaimValue)> = Vec::new();
        for (name, value) in reads.iter().flat_map(|read| read.claims()) {
            if !claims.iter().any(|(known, _)| known == name) {
                claims.push((name.clone(), value.clone()));
            }
        }
        let behind = match &self.backend.wall {
            Some(Wall::Sqlite(wall)) => Some(Behind::Sqlite(wall.call(&claims, lends))),
            Some(Wall::Postgres(..)) | None => None,
        };
        Begin {
            timeout: self.caps.timeout,
            behind,
            writable: Writable {
                table: self.ceiling.store.clone(),
                // What the ceiling does not let through is no write at all.
                verb: if columns.is_some() { verb } else { Verb::Read },
                columns: columns.unwrap_or_default(),
            },
        }
    }

    fn reads(&self) -> Vec<&Read> {
        let lookups = std::iter::once(self.write.lookup())
            .chain(self.write.parents().iter().map(|parent| &parent.lookup))
            .chain(self.write.returning());
        lookups.map(Lookup::read).chain(self.write.read()).collect()
    }

    /// Which rows, and what is assigned to them.
    async fn rows(&self, tx: &mut Transaction) -> Result<Vec<Row>, Refusal> {
        let most = usize::try_from(self.write.max_rows()).unwrap_or(usize::MAX);
        let found = match self.write.read() {
            Some(read) => {
                tx.read(read.sql().clone(), read.values().to_vec(), most).await.map_err(|error| self.failed(&error))?
            }
            None => Vec::new(),
        };
        let set = |assigned: &[Assigned], found: &[Value]| {
            let values = assigned.iter().map(|assigned| match assigned {
                Assigned::Value(value) => value.clone(),
                Assigned::Computed(at) => found.get(*at).cloned().unwrap_or(Value::Null),
            });
            self.write.columns().iter().cloned().zip(values).collect()
        };
        let rows: Vec<Row> = match self.write.verb() {
            Verb::Insert => {
                let found = found.first().map(Vec::as_slice).unwrap_or_default();
                let change = |row: &Vec<Assigned>| Change { key: vec![], set: set(row, found) };
                self.write.rows().iter().map(|row| Row { key: vec![], change: change(row) }).collect()
            }
            Verb::Read | Verb::Update | Verb::Delete => {
                let assigned = self.write.rows().first().map(Vec::as_slice).unwrap_or_default();
                let width = self.write.store().key.len();
                found
                    .iter()
                    .map(|row| {
                        let key = row.get(..width).unwrap_or_default().to_vec();
                        Row { change: Change { key: key.clone(), set: set(assigned, row) }, key }
                    })
                    .collect()
            }
        };
        if rows.len() > most {
            return Err(Refusal::new(
                Code::TooManyRows,
                format!("the write would change more than {most} rows, the most that this mount lets one write change"),
            )
            .hint("narrow it down, or write in several steps"));
        }
        let mut seen = BTreeSet::new();
        if !rows.iter().filter(|row| !row.key.is_empty()).all(|row| seen.insert(format!("{:?}", row.key))) {
            return Err(Refusal::new(Code::DataError, "the statement gives several values for one row"));
        }
        Ok(rows)
    }

    /// That the row is in scope, as the rewriter has it.
    async fn in_scope(&self, tx: &mut Transaction, key: &[Value]) -> Result<(), Refusal> {
        if self.look_up(tx, self.write.lookup(), key, 1).await?.is_empty() { Err(out_of_scope()) } else { Ok(()) }
    }

    /// That the row is under the ceiling, as the store's wall has it: asked of the wall's own view.
    async fn walled(&self, tx: &mut Transaction, key: &[Value]) -> Result<(), Refusal> {
        let (Some(wall), Some(Wall::Sqlite(_))) = (&self.ceiling.wall, &self.backend.wall) else { return Ok(()) };
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let info = &self.ceiling.store;
        let pairs: Vec<String> =
            info.key.iter().enumerate().map(|(at, key)| format!("{} = ?{}", quoted(key.as_str()), at + 1)).collect();
        let sql =
            format!("SELECT 1 FROM {}.{} WHERE {}", quoted(&wall.schema), quoted(&wall.name), pairs.join(" AND "));
        let found = tx.read(Arc::from(sql), key.to_vec(), 1).await.map_err(|error| self.failed(&error))?;
        if found.is_empty() {
            tracing::warn!(decision = %self.decision, "the store's wall does not show a row of a write");
            return Err(out_of_scope());
        }
        Ok(())
    }

    /// That what foreign keys refer to is in scope. `value` gives the values of columns, where they are given any.
    async fn parents(
        &self,
        tx: &mut Transaction,
        value: impl Fn(&mountgate_core::ColumnName) -> Option<Value>,
    ) -> Result<(), Refusal> {
        for parent in self.write.parents() {
            let values: Option<Vec<Value>> = parent.columns.iter().map(&value).collect();
            // NULL refers to nothing.
            let Some(values) = values.filter(|values| !values.contains(&Value::Null)) else { continue };
            if self.look_up(tx, &parent.lookup, &values, 1).await?.is_empty() {
                return Err(Refusal::new(Code::RowOutOfScope, "a row that the write refers to is not in scope")
                    .hint("refer to rows that you can see"));
            }
        }
        Ok(())
    }

    async fn returning(
        &self,
        tx: &mut Transaction,
        key: &[Value],
        returned: &mut Vec<Vec<Value>>,
    ) -> Result<(), Refusal> {
        let Some(lookup) = self.write.returning() else { return Ok(()) };
        let mut row = self.look_up(tx, lookup, key, 1).await?.pop().ok_or_else(out_of_scope)?;
        if self.backend.is_sqlite() {
            // SQLite has no booleans, and declared types get lost in expressions; the plan still knows.
            for (cell, column) in row.iter_mut().zip(lookup.columns()) {
                match cell {
                    Value::Integer(truth @ (0 | 1)) if column.ty == Some(ColumnType::Boolean) => {
                        *cell = Value::Boolean(*truth == 1);
                    }
                    _ => {}
                }
            }
        }
        returned.push(row);
        let weight =
            returned.iter().flatten().map(Value::weight).fold(0u64, |sum, more| sum.saturating_add(more as u64));
        if returned.len() as u64 > self.caps.max_rows || weight > self.caps.max_bytes {
            return Err(Refusal::new(
                Code::ResourceLimit,
                "the write returns more than is allowed; nothing is changed",
            )
            .hint("return fewer columns, or write fewer rows"));
        }
        Ok(())
    }

    async fn look_up(
        &self,
        tx: &mut Transaction,
        lookup: &Lookup,
        values: &[Value],
        most: usize,
    ) -> Result<Vec<Vec<Value>>, Refusal> {
        let read = lookup.read();
        tx.read(read.sql().clone(), lookup.values(values), most).await.map_err(|error| self.failed(&error))
    }

    /// The effect in the order of its keys, and what is returned in the same order.
    fn effect(&self, changes: Vec<RowChange>, returned: &mut Vec<Vec<Value>>) -> Effect {
        let store = self.write.store();
        let mut order: Vec<(RowChange, Option<Vec<Value>>)> = Vec::with_capacity(changes.len());
        let mut given = std::mem::take(returned).into_iter();
        for change in changes {
            order.push((change, given.next()));
        }
        order.sort_by(|(one, _), (other, _)| compare(&one.key, &other.key));
        let (rows, given): (Vec<_>, Vec<_>) = order.into_iter().unzip();
        *returned = given.into_iter().flatten().collect();
        Effect {
            relation: self.write.relation().clone(),
            verb: self.write.verb(),
            key: store.key.clone(),
            columns: store.columns.iter().map(|column| column.name.clone()).collect(),
            rows,
        }
    }

    async fn commit(&self, transaction: Transaction) -> Result<Ended, Refusal> {
        match transaction.commit().await {
            Ok(()) => Ok(Ended::Committed),
            Err(Uncommitted { error, certain: true }) => Err(self.unchanged(&error)),
            Err(Uncommitted { error, certain: false }) => {
                tracing::error!(decision = %self.decision, detail = error.detail, "whether a write is committed is not known");
                Err(Refusal::new(Code::OutcomeUnknown, "whether the write took place is not known")
                    .hint("look at the rows before you write again"))
            }
        }
    }

    /// A change that failed: on whatever of the store's own, it is told as one thing.
    fn unchanged(&self, error: &StoreError) -> Refusal {
        match error.class {
            Class::Constraint | Class::Data | Class::Refused => {
                tracing::info!(decision = %self.decision, detail = error.detail, "the store does not take a change");
                not_taken()
            }
            Class::Conflict | Class::Parameter | Class::Resource | Class::Timeout | Class::Unavailable => {
                self.failed(error)
            }
        }
    }

    fn failed(&self, error: &StoreError) -> Refusal {
        refusal(error, self.decision, self.caps.timeout)
    }
}

fn out_of_scope() -> Refusal {
    not_taken()
}

/// One answer for what constraints and triggers don't take, and for rows that would not be in scope: were they told
/// apart, a write that can never succeed would tell whether a hidden row has the same unique values.
fn not_taken() -> Refusal {
    Refusal::new(
        Code::ConstraintFailed,
        "the store's constraints, or the mount's scope, do not take a row as it would be; nothing is changed",
    )
    .hint("give each column that must have one a value, unique where it must be, and write only rows that you could read afterwards")
}

fn conflict() -> Refusal {
    Refusal::new(Code::WriteConflict, "something else changed the same rows at the same time; nothing is changed")
        .hint("ask again")
        .retry_after(1)
}

/// An order of keys: that of their numbers where they are numbers, else that of how they are spelt.
fn compare(one: &[Value], other: &[Value]) -> Ordering {
    for (one, other) in one.iter().zip(other) {
        let order = match (one, other) {
            (Value::Integer(one), Value::Integer(other)) => one.cmp(other),
            (Value::Text(one), Value::Text(other)) => one.cmp(other),
            (one, other) => format!("{one:?}").cmp(&format!("{other:?}")),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}
