//! Whether the wall stands as the ceiling says, and whether its login can reach past it.

use std::collections::{BTreeMap, BTreeSet};

use mountgate_driver::{PostgresAdmin, StoreError};
use serde_json::Value as Json;

use super::{PROBE, PostgresWall, literal, view};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is a way past the wall, or the wall is not the ceiling's. Otherwise it is a remark: what every role of
    /// the database may do.
    pub breach: bool,
    /// What is wrong, and what to do.
    pub text: String,
}

/// How a mount's wall stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It stands. What is remarked does not open it.
    Whole(Vec<Finding>),
    /// There is none.
    Missing,
    /// It is there and not as it should be.
    Drifted(Vec<Finding>),
}

impl PostgresWall {
    /// Looks at the wall, as any login of the database may: nothing is changed.
    ///
    /// # Errors
    /// Where the database can't be asked.
    pub async fn inspect(&self, database: &PostgresAdmin) -> Result<Standing, StoreError> {
        let found = database.rows(&self.question()).await?;
        let told = found.first().and_then(|row| row.first()).cloned().flatten().unwrap_or_default();
        let found: Json = serde_json::from_str(&told).unwrap_or_default();
        Ok(self.judge(&found))
    }

    /// One question with one answer, in JSON.
    fn question(&self) -> String {
        let names = self.names();
        let needs: Vec<String> = self
            .needs
            .iter()
            .flat_map(|((schema, relation), columns)| {
                columns.iter().map(move |column| {
                    format!(
                        "({}, {}, {})",
                        literal::text(schema),
                        literal::text(relation),
                        literal::text(column.as_str())
                    )
                })
            })
            .collect();
        let needs = if needs.is_empty() { "(NULL, NULL, NULL)".to_owned() } else { needs.join(", ") };
        QUESTION
            .replace("{login}", &literal::text(&names.login))
            .replace("{owner}", &literal::text(&names.owner))
            .replace("{views}", &literal::text(&names.views))
            .replace("{own}", &literal::text(&names.own))
            .replace("{needs}", &needs)
    }

    fn judge(&self, found: &Json) -> Standing {
        let names = self.names();
        let again = "`mountgate backend provision` builds it anew";
        if found["login"].is_null() && found["views_owner"].is_null() {
            return Standing::Missing;
        }
        let mut findings = Vec::new();
        let mut breach = |text: String| findings.push(Finding { breach: true, text });
        let texts = |value: &Json| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
        };
        for (role, told) in [(&names.login, &found["login"]), (&names.owner, &found["owner"])] {
            if told.is_null() {
                breach(format!("the role `{role}` is not there: {again}"));
            }
            for (key, what) in [
                ("super", "is a superuser"),
                ("bypass", "bypasses row-level security"),
                ("createrole", "may create roles"),
                ("createdb", "may create databases"),
                ("replication", "may replicate"),
                ("inherit", "inherits from other roles"),
            ] {
                if told[key] == Json::Bool(true) {
                    breach(format!("`{role}` {what}: {again}"));
                }
            }
            for group in texts(&told["member_of"]) {
                breach(format!("`{role}` is a member of `{group}`: {again}"));
            }
        }
        let (login, owner) = (&found["login"], &found["owner"]);
        if login["login"] == Json::Bool(false) {
            breach(format!("`{}` may not log in: {again}", names.login));
        }
        if owner["login"] == Json::Bool(true) {
            breach(format!("`{}` may log in: {again}", names.owner));
        }
        for role in texts(&found["owner_members"]) {
            breach(format!("`{role}` logs in for a mount and is a member of `{}`: {again}", names.owner));
        }
        for (schema, key) in [(&names.views, "views_owner"), (&names.own, "own_owner")] {
            match found[key].as_str() {
                None => breach(format!("the schema `{schema}` is not there: {again}")),
                Some(owner) if owner != names.owner => {
                    breach(format!(
                        "the schema `{schema}` is owned by `{owner}` and not by `{}`: {again}",
                        names.owner
                    ));
                }
                Some(_) => {}
            }
        }
        if found["views_usage"] != Json::Bool(true) {
            breach(format!("`{}` may not use the schema `{}`: {again}", names.login, names.views));
        }
        if found["own_usage"] == Json::Bool(true) {
            breach(format!("`{}` may use the schema `{}`, where the keys are: {again}", names.login, names.own));
        }
        if found["fingerprint"].as_str() != Some(self.fingerprint().as_str()) {
            breach(format!("the keys are not this gateway's, or the mount's hash masks have changed: {again}"));
        }
        self.judge_function(&found["function"], &mut breach);
        self.judge_views(&found["view"], &mut breach);
        for column in texts(&found["unreadable"]) {
            breach(format!(
                "`{}` may not read {column}, which the view needs: give whoever provisions the right to grant it, and provision anew",
                names.owner
            ));
        }
        for owned in texts(&found["owned"]) {
            breach(format!("`{}` owns {owned}: give it to another role", names.login));
        }
        for readable in texts(&found["readable"]) {
            breach(format!(
                "`{}` may read or change {readable} past the wall: revoke what is granted to it or to PUBLIC",
                names.login
            ));
        }
        for function in texts(&found["definers"]) {
            breach(format!(
                "`{}` may call {function}, which runs with the rights of its owner: revoke EXECUTE from PUBLIC",
                names.login
            ));
        }
        for creatable in texts(&found["creatable"]) {
            breach(format!("`{}` may create in {creatable}: revoke CREATE from PUBLIC", names.login));
        }
        let drifted = !findings.is_empty();
        for remark in texts(&found["remarks"]) {
            findings.push(Finding { breach: false, text: remark });
        }
        if drifted { Standing::Drifted(findings) } else { Standing::Whole(findings) }
    }

    fn judge_function(&self, told: &Json, breach: &mut impl FnMut(String)) {
        let name = literal::qualified(&self.names().own, "sealed");
        let as_made = told["source"].as_str() == Some(self.check_body().as_str())
            && told["definer"] == Json::Bool(true)
            && told["owner"].as_str() == Some(self.names().owner.as_str())
            && told["config"].as_str() == Some("{\"search_path=pg_catalog, pg_temp\"}");
        if told.is_null() {
            breach(format!("the function `{name}` is not there: `mountgate backend provision` builds it anew"));
        } else if !as_made {
            breach(format!(
                "the function `{name}` is not the one that was made: `mountgate backend provision` builds it anew"
            ));
        }
        if told["public"] == Json::Bool(true) {
            breach(format!("everyone may call `{name}`: `mountgate backend provision` builds it anew"));
        }
    }

    fn judge_views(&self, told: &Json, breach: &mut impl FnMut(String)) {
        let there: BTreeMap<&str, &Json> =
            told.as_array().into_iter().flatten().filter_map(|view| Some((view["name"].as_str()?, view))).collect();
        let wanted: BTreeSet<&str> = self.views.iter().map(|view| view.name.as_str()).chain([PROBE]).collect();
        for name in there.keys().filter(|name| !wanted.contains(*name)) {
            breach(format!(
                "`{name}` is in the schema `{}` and not among the mount's tables: `mountgate backend provision` takes it away",
                self.names().views
            ));
        }
        for view in &self.views {
            let Some(told) = there.get(view.name.as_str()) else {
                breach(format!("there is no view for table `{}`: `mountgate backend provision` makes it", view.name));
                continue;
            };
            let comment = told["comment"].as_str().unwrap_or_default();
            let (made, stood) = comment.split_once(' ').unwrap_or_default();
            let name = &view.name;
            if made != view.digest() {
                breach(format!(
                    "the mount's file has changed table `{name}` since the wall was built: provision again"
                ));
            } else if Some(stood) != told["definition"].as_str() {
                breach(format!("the view of table `{name}` was changed by hand: provision again"));
            }
            if told["kind"].as_str() != Some("v") || told["barrier"] != Json::Bool(true) {
                breach(format!("the view of table `{name}` is no security barrier: provision again"));
            }
            if told["owner"].as_str() != Some(self.names().owner.as_str()) {
                breach(format!("the view of table `{name}` belongs to another role: provision again"));
            }
            if told["select"] != Json::Bool(true) {
                breach(format!("`{}` may not read the view of table `{name}`: provision again", self.names().login));
            }
        }
        if !there.contains_key(PROBE) {
            breach(format!("the view `{PROBE}` is not there: provision again"));
        }
    }

    /// What a session of the login must be able to ask under a seal; it answers with a row that says true.
    pub fn probe(&self) -> String {
        format!("SELECT \"p\".\"sealed\" FROM {} AS \"p\"", literal::qualified(&self.names().views, PROBE))
    }

    /// The search path of the login's sessions.
    pub fn search_path(&self) -> String {
        view::search_path(self.names())
    }
}

/// Everything that is looked at.
const QUESTION: &str = include_str!("inspect/question.sql");
