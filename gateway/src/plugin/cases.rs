//! Cases: a request in, a verdict out, both written down.
//!
//! In a project they are `cases/*.toml`, in the mount file's own notation; lowered, they are JSON, which is what is
//! signed with a plugin and what a gateway's self-test runs. Running one asks the policy through the host that serves,
//! and holds its verdict against the ceiling as the gateway would ([`run()`]).
//!
//! ```toml
//! about = "support sees the caller's own orders"
//!
//! [settings]
//! hours = "09:00-17:00"
//!
//! [mount]                                   # the mount that the policy is asked for
//! name = "support"
//! zone = "Europe/Berlin"                    # of the local time that policies are told; UTC without
//! [mount.tables.orders]                     # as in a mount's file, and `types` and `key` beside it
//! columns = ["order_id", "status"]
//! types   = { order_id = "integer", status = "text", region = "text" }
//! key     = ["order_id"]
//! lend    = ["region"]
//!
//! [request]
//! agent  = "support-bot"
//! claims = { region = "north" }
//! time   = 2026-11-24T10:00:00              # local, or with its offset
//! sql    = "SELECT status FROM orders"      # or `touch.orders = ["status"]`
//!
//! [expect]
//! verdict = "allow"                         # "allow", "deny", "hold", or "fault" where the policy must fail
//! tables.orders = { columns = ["order_id", "status"], filter = "region = claim.region" }
//! ```
//!
//! What an expectation does not name is not compared, and [`Outcome::unchecked`] says so. With `[[cases]]`, a file holds
//! several: each has its own `name`, and what it says stands over what the file says.

mod ceiling;
mod expect;
mod read;
mod run;

use std::{collections::BTreeMap, path::Path};

use mountgate_core::{
    Claims, ColumnName, ColumnType, Door, Filter, Limits, Mask, MountName, RelationName, Touch, Value, request::Usage,
};
use serde::{Deserialize, Serialize};

use crate::config::Problems;

pub(crate) use self::read::use_label;
pub use self::{
    expect::{Difference, Expectation, ExpectedTable, ExpectedVerdict},
    run::{Answer, Outcome, first_failure, run},
};

/// A case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name: the file's, with the case's own where a file holds several.
    pub name: String,
    /// What it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The policy's settings.
    pub settings: serde_json::Value,
    /// The mount that the policy is asked for.
    pub mount: CaseMount,
    /// What it is asked.
    pub request: CaseRequest,
    /// What it should answer.
    pub expect: Expectation,
}

/// A mount, as far as a policy sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseMount {
    /// Its name.
    pub name: MountName,
    /// The zone of its local time: `UTC`, `Europe/Berlin`.
    pub zone: String,
    /// Its limits.
    #[serde(default)]
    pub limits: Limits,
    /// Its relations.
    pub tables: BTreeMap<RelationName, CaseTable>,
}

/// A relation of the mount.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseTable {
    /// Its columns, hidden ones too where they are lent or filtered by.
    pub columns: Vec<CaseColumn>,
    /// The ceiling's filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

/// A column of the relation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseColumn {
    /// Its name.
    pub name: ColumnName,
    /// Its type in the store.
    #[serde(rename = "type")]
    pub ty: ColumnType,
    /// Who sees it.
    #[serde(default)]
    pub shown: Shown,
    /// Whether it is part of the primary key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub key: bool,
    /// The ceiling's mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
}

/// Who sees a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// The mount's agents.
    #[default]
    Agents,
    /// Policies, which may filter by it.
    Policies,
    /// The ceiling's own filter.
    Nobody,
}

fn is_false(truth: &bool) -> bool {
    !truth
}

/// What a policy is asked. Inputs that it does not declare are withheld, whether or not they are given here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRequest {
    /// The agent.
    pub agent: String,
    /// The session, where the caller is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The caller's claims.
    #[serde(default)]
    pub claims: Claims,
    /// The door.
    pub door: Door,
    /// What the agent says it wants the answer for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The time, in milliseconds since 1970-01-01T00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<i64>,
    /// What is left of the mount's rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<CaseUsage>,
    /// The statement's parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Value>,
    /// What is touched.
    pub touch: Touch,
}

/// What is left of the mount's rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseUsage {
    /// Requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_left: Option<i64>,
    /// Rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_left: Option<i64>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_left: Option<i64>,
}

impl From<CaseUsage> for Usage {
    fn from(usage: CaseUsage) -> Self {
        let CaseUsage { requests_left, rows_left, bytes_left } = usage;
        Self { requests_left, rows_left, bytes_left }
    }
}

impl Case {
    /// Reads the cases of a folder, `*.toml` in the order of their names.
    ///
    /// # Errors
    /// Everything that is wrong in any of the files, each with file, line and the next step; a folder without a case.
    pub fn load_dir(folder: &Path) -> Result<Vec<Self>, Problems> {
        read::folder(folder)
    }

    /// Reads the cases of one text; `shown` is how messages name it.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub fn parse(shown: &str, text: &str) -> Result<Vec<Self>, Problems> {
        read::text(shown, text)
    }
}

#[cfg(test)]
mod tests;
