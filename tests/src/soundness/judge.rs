//! The three oracles, asked of one statement.

use std::{panic::AssertUnwindSafe, sync::Arc};

use mountgate_core::{
    Ceiling, Claims, Code, Grant, LimitKey, Limits, Refusal, Scope, Value, ceiling::RelationDeclaration,
};
use mountgate_driver::Class;
use mountgate_sql::{Dialect, MaskKeys, Read, Statement};

use super::{
    engine::{Mount, Outcome, Stores, Which, difference},
    mutate, schema,
    tree::Printed,
    world::World,
};

/// A violation.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which claim does not hold.
    pub claim: &'static str,
    /// How.
    pub how: String,
}

/// What became of a statement.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// A direct connection to the copies takes it.
    pub valid: bool,
    /// The gateway takes it.
    pub accepted: bool,
    /// It answered with rows, not with a failure.
    pub answered: bool,
    /// Its answer is the store's whim, so that nothing was compared.
    pub arbitrary: bool,
    /// It was refused for what the ceiling demands of statements: a key, or aggregates only.
    pub demanded: bool,
    /// Why a direct connection does not take a statement that the gateway answered.
    pub lax: Option<String>,
    /// Why the gateway refused it, without its names and places.
    pub refusal: Option<String>,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

/// A world's mount, and its stores.
#[derive(Debug)]
pub struct Judge<'w, S> {
    world: &'w World,
    ceiling: Ceiling,
    /// The same, behind the second database's wall.
    twin: Ceiling,
    permissive: Ceiling,
    grant: Grant,
    /// Whether statements are mutants: where their answer may be the store's whim, only what comes out counts.
    pub mutants: bool,
    /// The databases.
    pub stores: S,
}

/// The gateway's way from the text to what the store is sent, with the verdict given.
///
/// # Errors
/// The refusal, or a panic as one.
pub fn rewrite(
    dialect: Dialect,
    ceiling: &Ceiling,
    grant: &Grant,
    claims: &Claims,
    keys: &dyn MaskKeys,
    statement: &Printed,
) -> Result<Read, Refusal> {
    let way = || {
        let parsed = Statement::parse(dialect, &statement.sql)?;
        let touch = parsed.touch(ceiling)?;
        let scope = Scope::narrow(ceiling, &touch, grant)
            .map_err(|error| Refusal::new(Code::PolicyFailed, error.to_string()))?;
        let plan = Arc::new(parsed.enforce(&scope)?);
        Ok(plan.authorize(&statement.params, claims, keys)?.into_inner())
    };
    std::panic::catch_unwind(AssertUnwindSafe(way)).unwrap_or_else(|panic| {
        let told = panic.downcast_ref::<String>().cloned();
        let told = told.or_else(|| panic.downcast_ref::<&str>().map(|told| (*told).to_owned()));
        Err(Refusal::new(Code::Internal, format!("panic: {}", told.unwrap_or_default())))
    })
}

impl<'w, S: Stores> Judge<'w, S> {
    /// For the world laid out in those stores.
    ///
    /// # Errors
    /// Where the world's rules do not fit its tables: a fault of the generator's.
    pub async fn new(world: &'w World, stores: S) -> anyhow::Result<Self> {
        let mut stores = stores;
        let catalogue = stores.catalogue().clone();
        let build = |declared: &_| {
            Ceiling::build(declared, &catalogue, vec![], Limits::default(), LimitKey::Agent, None, None)
                .map_err(|errors| anyhow::anyhow!("the ceiling does not build: {errors:?}\n{world:?}"))
        };
        let whole = |info: &mountgate_core::RelationInfo| RelationDeclaration {
            columns: info.columns.iter().map(|column| column.name.clone()).collect(),
            ..RelationDeclaration::default()
        };
        let everything = catalogue.relations.iter().map(|(name, info)| (name.clone(), whole(info))).collect();
        let (ceiling, permissive) = (build(&world.declarations())?, build(&everything)?);
        Ok(Self {
            world,
            twin: stores.behind(world, Which::Other, Mount::Narrow, ceiling.clone()).await?,
            ceiling: stores.behind(world, Which::One, Mount::Narrow, ceiling).await?,
            permissive: stores.behind(world, Which::One, Mount::Permissive, permissive).await?,
            grant: world.grant(),
            mutants: false,
            stores,
        })
    }

    /// The gateway's own decision on a statement.
    ///
    /// # Errors
    /// The refusal.
    pub fn enforce(&self, statement: &Printed) -> Result<Read, Refusal> {
        let world = self.world;
        rewrite(world.dialect, &self.ceiling, &self.grant, &world.claims, world, statement)
    }

    /// Asks everything of a statement.
    pub async fn judge(&mut self, statement: &Printed) -> Judged {
        let mut judged = Judged::default();
        let (sql, params, ordered) = (&statement.sql, &statement.params, statement.ordered);
        let world = self.world;
        let expected = self.stores.direct(Which::Copy, sql, params).await;
        judged.valid = !matches!(expected, Outcome::Invalid(_));
        match self.enforce(statement) {
            Err(refusal) => {
                judged.refusal = Some(reason(&refusal));
                // What the ceiling demands of statements, a direct connection does not.
                if matches!(refusal.code, Code::KeyRequired | Code::AggregateOnly) {
                    judged.valid = false;
                    judged.demanded = true;
                }
                if refusal.code == Code::Internal || refusal.code == Code::PolicyFailed {
                    judged.find("sound", refusal.to_string());
                }
                if let Some(canary) = canary(&refusal.to_string(), sql, world) {
                    judged.find("canary", format!("`{canary}` in a refusal"));
                }
            }
            Ok(read) => {
                judged.accepted = true;
                let one = self.stores.gateway(Which::One, Mount::Narrow, &read).await;
                let other = if self.twin == self.ceiling {
                    self.stores.gateway(Which::Other, Mount::Narrow, &read).await
                } else {
                    // Behind a wall the names are another draw.
                    match rewrite(world.dialect, &self.twin, &self.grant, &world.claims, world, statement) {
                        Ok(read) => self.stores.gateway(Which::Other, Mount::Narrow, &read).await,
                        Err(refusal) => return judged.find_and("O2", format!("one is answered, other: {refusal}")),
                    }
                };
                judged.answered = matches!(one, Outcome::Rows { .. });
                for outcome in [&one, &other] {
                    let Outcome::Rows { columns, rows } = outcome else { continue };
                    let cells = columns.iter().chain(rows.iter().flatten());
                    if let Some(canary) = cells.filter_map(|cell| canary(cell, sql, world)).next() {
                        judged.find("canary", format!("`{canary}` in an answer\n   as {}", read.sql()));
                    }
                }
                let failed = |outcome: &&Outcome| matches!(outcome, Outcome::Failed { .. });
                let whim = self.mutants
                    && (mutate::is_of_no_certain_answer(world.dialect, sql)
                        || [&expected, &one, &other].iter().any(failed));
                if whim || [&expected, &one, &other].iter().any(|outcome| is_exhausted(outcome)) {
                    judged.arbitrary = true;
                    return judged;
                }
                let apart = difference(&one, &other, ordered).or_else(|| classes(&one, &other));
                let off = match (&expected, &one) {
                    (Outcome::Invalid(why), Outcome::Rows { .. }) => {
                        judged.lax = Some(why.clone());
                        None
                    }
                    // Groups that are too small are not there; `grouped` counts those that are.
                    _ if world.is_grouped(sql) => None,
                    _ => difference(&expected, &one, ordered),
                };
                if (apart.is_some() || off.is_some())
                    && judged.valid
                    && self.stores.is_arbitrary(world, Which::Copy, sql, params, ordered).await
                {
                    judged.arbitrary = true;
                    return judged;
                }
                let shown = format!(
                    "\n   as {} {:?}\n   direct: {}\n   one: {}\n   other: {}",
                    read.sql(),
                    read.values(),
                    expected.brief(),
                    one.brief(),
                    other.brief()
                );
                if let Some(how) = apart {
                    judged.find("O2", format!("{how}{shown}"));
                }
                if let Some(how) = off {
                    judged.find("O1", format!("{how}{shown}"));
                }
            }
        }
        judged
    }

    /// Whether a table that answers with statistics only gives the groups that are large enough, and no other.
    pub async fn grouped(&mut self, statement: &Printed, expected: &[u64], judged: &mut Judged) {
        let read = match self.enforce(statement) {
            Ok(read) => read,
            Err(refusal) => return judged.find("groups", refusal.to_string()),
        };
        for which in [Which::One, Which::Other] {
            if which == Which::Other && self.twin != self.ceiling {
                continue;
            }
            let outcome = self.stores.gateway(which, Mount::Narrow, &read).await;
            let Outcome::Rows { rows, .. } = &outcome else {
                return judged.find("groups", outcome.brief());
            };
            let mut found: Vec<u64> = rows.iter().filter_map(|row| row.last()?.parse().ok()).collect();
            found.sort_unstable();
            if found != expected || found.len() != rows.len() {
                judged.find("groups", format!("{found:?}, not {expected:?}\n   as {}", read.sql()));
            }
        }
    }

    /// O3: whether a permissive mount answers as a direct connection does, or refuses.
    pub async fn permissive(&mut self, statement: &Printed, judged: &mut Judged) {
        let world = self.world;
        // With such a column in view, what the word means to SQLite is no longer a truth.
        let columns = || world.tables.iter().flat_map(|table| &table.columns);
        if columns().any(|column| ["FALSE", "true"].contains(&column.name.as_str())) {
            return;
        }
        let (sql, params, ordered) = (&statement.sql, &statement.params, statement.ordered);
        let keys: &dyn MaskKeys = world;
        let read = rewrite(world.dialect, &self.permissive, &Grant::Ceiling, &Claims::new(), keys, statement);
        let read = match read {
            Ok(read) => read,
            Err(refusal) if refusal.code == Code::Internal => return judged.find("sound", refusal.to_string()),
            Err(_) => return,
        };
        let expected = self.stores.direct(Which::One, sql, params).await;
        let ours = self.stores.gateway(Which::One, Mount::Permissive, &read).await;
        // Here the poison in hidden rows is in view: whether a plan reaches it is the planner's choice.
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed { class: Class::Data, .. });
        if is_exhausted(&expected) || is_exhausted(&ours) || failed(&expected) != failed(&ours) {
            return;
        }
        if let (Outcome::Invalid(why), Outcome::Rows { .. }) = (&expected, &ours) {
            judged.lax = Some(why.clone());
            return;
        }
        // `*` is more here than in the scope that the order was total for.
        let ordered = ordered && !sql.contains('*');
        let Some(how) = difference(&expected, &ours, ordered) else { return };
        if !self.stores.is_arbitrary(world, Which::One, sql, params, ordered).await {
            let shown = format!("\n   as {}\n   direct: {}\n   ours: {}", read.sql(), expected.brief(), ours.brief());
            judged.find("O3", format!("{how}{shown}"));
        }
    }

    /// Whether a function that is on no list is refused by its name.
    pub fn function(&self, statement: &Printed, judged: &mut Judged) {
        match self.enforce(statement) {
            Err(refusal) if refusal.code == Code::Unsupported => {}
            Err(refusal) => judged.find("functions", format!("refused as {refusal}")),
            Ok(read) => judged.find("functions", format!("accepted as {}", read.sql())),
        }
    }

    /// Whether a name that is hidden is told apart from one that does not exist. Both texts are equal but for it.
    pub fn names(&self, hidden: (&str, &Printed), absent: (&str, &Printed), judged: &mut Judged) {
        let told = |(name, statement): (&str, &Printed), table_first: bool| -> String {
            match self.enforce(statement) {
                // SQLite takes a quoted name that nothing has for a text, and names the column after it.
                Ok(read) => {
                    let doubled = name.replace('"', "\"\"\"\"");
                    let told = read.sql().replace(&format!("\"\"{doubled}\"\""), "…");
                    format!("accepted as {}", told.replace(&format!("'{name}'"), "…"))
                }
                Err(refusal) => {
                    // The hint that shows what an aggregate-only table answers has columns of its own, `x` and `y`.
                    let hint = refusal.hint.as_deref().filter(|_| refusal.code != Code::AggregateOnly);
                    let told = format!("{} {} {:?}", refusal.code.as_str(), refusal.message, hint);
                    // A name stands in backticks, as it was written or as it is read, perhaps behind its table's.
                    let written = format!("\"{}\"", name.replace('"', "\"\""));
                    let anonymous = |part: &str| {
                        let part = part.replace(&written, "…");
                        match part.rsplit_once('.') {
                            _ if part == name => "…".to_owned(),
                            Some((table, last)) if table_first && table == name => format!("….{last}"),
                            Some((table, last)) if last == name => format!("{table}.…"),
                            Some((table, last)) if table == name => format!("….{last}"),
                            _ => part,
                        }
                    };
                    let parts = told.split('`').enumerate();
                    parts.map(|(at, part)| if at % 2 == 1 { anonymous(part) } else { part.to_owned() }).collect()
                }
            }
        };
        // Where the hidden name is that of something else in the statement too, only one of the two is meant.
        let other = told(absent, false);
        let one = [false, true].map(|table_first| told(hidden, table_first));
        let one = one.iter().find(|one| **one == other).unwrap_or(&one[0]).clone();
        if one != other {
            judged.find("names", format!("`{}`: {one}\n   `{}`: {other}", hidden.0, absent.0));
        } else if one.starts_with("accepted") && self.world.dialect == Dialect::Postgres {
            judged.find("names", format!("`{}` is {one}", hidden.0));
        }
    }
}

impl Judged {
    fn find_and(mut self, claim: &'static str, how: String) -> Self {
        self.find(claim, how);
        self
    }

    fn find(&mut self, claim: &'static str, how: String) {
        self.findings.push(Finding { claim, how });
    }
}

fn is_exhausted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed { class: Class::Timeout | Class::Resource | Class::Unavailable, .. })
}

fn classes(one: &Outcome, other: &Outcome) -> Option<String> {
    match (one, other) {
        (Outcome::Failed { class, .. }, Outcome::Failed { class: other, .. }) if class != other => {
            Some(format!("classes {class} and {other}"))
        }
        _ => None,
    }
}

/// The refusal without names and places, for counting.
fn reason(refusal: &Refusal) -> String {
    let message = refusal.message.split(" (line ").next().unwrap_or_default();
    let mut out = format!("{}: ", refusal.code.as_str());
    // Of names in scope only the kind counts; of constructs and functions the name.
    if matches!(refusal.code, Code::NotInScope | Code::Ambiguous) {
        for (at, part) in message.split('`').enumerate() {
            out.push_str(if at % 2 == 0 { part } else { "…" });
        }
    } else {
        out.push_str(message.split(", found:").next().unwrap_or_default());
    }
    out
}

/// A canary in a text that the agent did not send itself.
fn canary(cell: &str, sql: &str, world: &World) -> Option<String> {
    if let Some(at) = cell.find(schema::CANARY) {
        let end = cell[at..].find(|c: char| !c.is_alphanumeric()).map_or(cell.len(), |end| at + end);
        if !sql.contains(&cell[at..end]) {
            return Some(cell[at..end].to_owned());
        }
    }
    let numbers = cell.split(|c: char| !c.is_alphanumeric()).filter(|part| part.len() == 9);
    for number in numbers {
        let is_canary = number
            .parse::<i64>()
            .is_ok_and(|number| (schema::CANARY_NUMBER..schema::CANARY_NUMBER + 100_000_000).contains(&number));
        // One of this world's: a piece of a hash may look like one.
        if is_canary && !sql.contains(number) && holds(world, number) {
            return Some(number.to_owned());
        }
    }
    None
}

/// Whether a cell of the world's has the number.
fn holds(world: &World, number: &str) -> bool {
    let rows = world.tables.iter().flat_map(|table| table.rows.iter().chain(&table.other));
    rows.flatten().any(|value| format!("{value:?}").contains(number))
}

/// The values of a statement, for a report.
pub fn shown(params: &[Value]) -> String {
    if params.is_empty() { String::new() } else { format!("   -- with {params:?}") }
}
