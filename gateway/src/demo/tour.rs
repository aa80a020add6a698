//! The tour: each step asks over HTTP, shows what became of it, and checks that it went as told.

mod laid_open;
mod steps;

use std::{collections::BTreeMap, net::SocketAddr};

use anyhow::{Context as _, bail};
use mountgate_core::Code;
use mountgate_mediate::Gateway;
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;

use self::steps::{Expect, Step};
use super::{
    folder::{Folder, SESSION, Session, Tokens},
    screen::{Screen, Sheet, Tone},
    store::Shop,
};
use crate::http::{self, Answer};

/// Rows shown of an answer.
const SHOWN: usize = 5;
/// Rows shown of what a direct connection gives.
const SHOWN_DIRECT: usize = 3;

/// A tour about to be given.
pub(super) struct Tour {
    gateway: Gateway,
    data: SocketAddr,
    shop: Shop,
    tokens: Tokens,
    screen: Screen,
}

/// A tour that was given.
pub(super) struct Toured {
    pub(super) failed: usize,
    pub(super) keys: Tokens,
    pub(super) sessions: BTreeMap<&'static str, Session>,
    screen: Screen,
}

/// Who asks in a step.
pub(super) struct Who<'a> {
    token: &'a str,
    agent: &'a str,
    claims: Json,
}

impl Tour {
    pub(super) fn new(gateway: Gateway, data: SocketAddr, shop: Shop, tokens: Tokens, screen: Screen) -> Self {
        Self { gateway, data, shop, tokens, screen }
    }

    /// Gives it.
    ///
    /// # Errors
    /// Where it can't go on; a step that went otherwise than told is counted instead.
    pub(super) fn give(self, handle: &Handle) -> anyhow::Result<Toured> {
        let screen = self.screen;
        print!("{}", screen.heading("the help desk's own software mints sessions, each bound to one customer"));
        let mut sessions = BTreeMap::new();
        for (name, agent, customer) in
            [("support-42", "support-bot", 42), ("support-7", "support-bot", 7), ("trial-42", "trial-bot", 42)]
        {
            sessions.insert(name, self.mint(agent, customer)?);
        }
        let email = self.shop.ask("SELECT email FROM customers WHERE customer_id = 42", handle);
        let email = email.ok().and_then(|sheet| sheet.rows.into_iter().next()?.into_iter().next());
        let steps = steps::steps(self.shop.dialect(), &email.context("the shop lacks customer 42")?);
        let mut failed = 0;
        let count = steps.len();
        for (at, step) in steps.iter().enumerate() {
            print!("{}", screen.heading(&format!("{}/{count}  {}", at + 1, step.title)));
            let told = self.take(step, &sessions, handle)?;
            match told {
                Ok(seen) => print!("{}", screen.labelled("✓", Tone::Good, &seen)),
                Err(why) => {
                    failed += 1;
                    print!("{}", screen.labelled("✗", Tone::Bad, &format!("not as told: {why}")));
                }
            }
        }
        failed += self.check_ledger();
        let verdict = match failed {
            0 => screen.toned(Tone::Good, "Everything went as told."),
            _ => screen.toned(Tone::Bad, &format!("{failed} of {count} steps did not go as told.")),
        };
        println!("\n{verdict}");
        Ok(Toured { failed, keys: self.tokens, sessions, screen })
    }

    fn mint(&self, agent: &'static str, customer: i64) -> anyhow::Result<Session> {
        let claims = json!({ "customer_id": customer });
        let body = json!({ "agent": agent, "claims": claims, "ttl_seconds": SESSION });
        print!("{}", self.screen.labelled("mints", Tone::Plain, &format!("POST /v1/sessions {body}")));
        let answer = http::post(self.data, "/v1/sessions", &self.tokens.minter, &body)?;
        let Some(token) = answer.body.get("token").and_then(Json::as_str).filter(|_| answer.status == 200) else {
            bail!("minting a session failed with {}: {}", answer.status, answer.body);
        };
        Ok(Session { token: token.to_owned(), agent, claims })
    }

    /// One step; the inner result says whether it went as told.
    fn take(
        &self,
        step: &Step,
        sessions: &BTreeMap<&'static str, Session>,
        handle: &Handle,
    ) -> anyhow::Result<Result<String, String>> {
        let who = self.who(step.who, sessions)?;
        let screen = self.screen;
        let bound = match who.claims.as_object() {
            Some(claims) if !claims.is_empty() => format!(", with the claims {}", who.claims),
            _ => String::new(),
        };
        print!("{}", screen.labelled("who", Tone::Plain, &format!("{}{bound}, at mount `{}`", who.agent, step.mount)));
        print!("{}", screen.labelled("asks", Tone::Sql, &step.sql));
        if let Expect::Burst { requests } = step.expect {
            return self.burst(step, &who, requests);
        }
        if let Expect::Mint = step.expect {
            let body = json!({ "agent": who.agent, "claims": { "customer_id": 7 }, "ttl_seconds": 60 });
            let answer = http::post(self.data, "/v1/sessions", who.token, &body)?;
            self.show_refusal(&answer);
            return Ok(refused_with(&answer, Code::NotPermitted).map(|()| step.notice.to_owned()));
        }
        let answer = self.query(step, &who)?;
        print!("{}", laid_open::shown(&self.gateway, screen, step, &who));
        if answer.status == 200 {
            let sheet = sheet_of(&answer.body);
            let cut = answer.body.get("truncated").and_then(Json::as_bool).unwrap_or(false);
            let cut = if cut { ", truncated by a cap" } else { "" };
            let count = sheet.rows.len();
            let rows = if count == 1 { "row" } else { "rows" };
            print!("{}", screen.labelled("answer", Tone::Good, &format!("200, {count} {rows}{cut}")));
            print!("{}", screen.sheet(&sheet, SHOWN));
        } else {
            self.show_refusal(&answer);
        }
        if step.beside {
            self.show_direct(&step.sql, handle);
        }
        Ok(self.judge(step, &answer, handle).map(|()| step.notice.to_owned()))
    }

    fn who<'a>(&'a self, name: &str, sessions: &'a BTreeMap<&'static str, Session>) -> anyhow::Result<Who<'a>> {
        if let Some(session) = sessions.get(name) {
            return Ok(Who { token: &session.token, agent: session.agent, claims: session.claims.clone() });
        }
        let (agent, token) = self.tokens.agents.get_key_value(name).with_context(|| format!("no agent `{name}`"))?;
        let claims = match *agent {
            "senior-bot" => json!({ "role": "senior" }),
            "junior-bot" => json!({ "role": "junior", "region": "north" }),
            _ => json!({}),
        };
        Ok(Who { token, agent, claims })
    }

    fn query(&self, step: &Step, who: &Who<'_>) -> anyhow::Result<Answer> {
        let body = json!({ "mount": step.mount, "sql": step.sql, "purpose": "the tour" });
        http::post(self.data, "/v1/query", who.token, &body)
    }

    fn show_refusal(&self, answer: &Answer) {
        let text = |key: &str| answer.body.pointer(&format!("/error/{key}")).and_then(Json::as_str).unwrap_or_default();
        let line = format!("{} {}: {}", answer.status, text("code"), text("message"));
        print!("{}", self.screen.labelled("answer", Tone::Bad, &line));
        if !text("hint").is_empty() {
            print!("{}", self.screen.labelled("hint", Tone::Plain, text("hint")));
        }
    }

    fn show_direct(&self, sql: &str, handle: &Handle) {
        match self.shop.ask(sql, handle) {
            Ok(sheet) => {
                let count = sheet.rows.len();
                let rows = if count == 1 { "row" } else { "rows" };
                let line = format!("the same on a direct connection: {count} {rows}");
                print!("{}", self.screen.labelled("direct", Tone::Strong, &line));
                print!("{}", self.screen.sheet(&sheet, SHOWN_DIRECT));
            }
            Err(said) => {
                let line = format!("the same on a direct connection fails: {said}");
                print!("{}", self.screen.labelled("direct", Tone::Strong, &line));
            }
        }
    }

    fn judge(&self, step: &Step, answer: &Answer, handle: &Handle) -> Result<(), String> {
        match &step.expect {
            Expect::Refused(code) => {
                refused_with(answer, *code)?;
                // A denial of what nobody could have had shows nothing.
                if step.beside && self.shop.ask(&step.sql, handle).is_ok_and(|sheet| sheet.rows.is_empty()) {
                    return Err("a direct connection gives no row either".to_owned());
                }
                Ok(())
            }
            Expect::SameAs(sql) => {
                let wanted = self.shop.ask(sql, handle)?;
                let got = answered(answer)?;
                if wanted.rows.is_empty() {
                    return Err(format!("`{sql}` gives no row on a direct connection"));
                }
                if got.rows != wanted.rows {
                    let (got, wanted) = (got.rows.len(), wanted.rows.len());
                    return Err(format!("{got} rows that are not the {wanted} rows of `{sql}`"));
                }
                Ok(())
            }
            Expect::Every { column, is } => {
                let sheet = answered(answer)?;
                let at = sheet.columns.iter().position(|name| name == column);
                let at = at.ok_or_else(|| format!("there is no column `{column}`"))?;
                let mut values = sheet.rows.iter().filter_map(|row| row.get(at)).peekable();
                if values.peek().is_none() {
                    return Err("there is no row".to_owned());
                }
                match values.find(|value| !is(value)) {
                    Some(other) => Err(format!("`{column}` shows `{other}`")),
                    None => Ok(()),
                }
            }
            Expect::Truncated(rows) => {
                let sheet = answered(answer)?;
                let truncated = answer.body.get("truncated").and_then(Json::as_bool);
                if sheet.rows.len() == *rows && truncated == Some(true) {
                    return Ok(());
                }
                Err(format!("{} rows, truncated: {truncated:?}", sheet.rows.len()))
            }
            Expect::Burst { .. } | Expect::Mint => Err("a step of another kind".to_owned()),
        }
    }

    fn burst(&self, step: &Step, who: &Who<'_>, requests: usize) -> anyhow::Result<Result<String, String>> {
        let (mut answered, mut last) = (0, None);
        for _ in 0..requests {
            let answer = self.query(step, who)?;
            match answer.status {
                200 => answered += 1,
                _ => last = Some(answer),
            }
        }
        let line = format!("{requests} requests at once: {answered} answered, {} refused", requests - answered);
        print!("{}", self.screen.labelled("answer", Tone::Plain, &line));
        let Some(last) = last else { return Ok(Err("none was refused".to_owned())) };
        self.show_refusal(&last);
        let after = last.retry_after;
        Ok(match (last.status, after) {
            (429, Some(seconds)) if answered > 0 => Ok(format!("{} (Retry-After: {seconds})", step.notice)),
            _ => Err(format!("{answered} answered, the last refusal {}, Retry-After {after:?}", last.status)),
        })
    }

    /// The record of all this: how much there is of it, and whether its chain holds.
    fn check_ledger(&self) -> usize {
        let screen = self.screen;
        print!("{}", screen.heading("and all of it is on record"));
        match self.gateway.ledger().checkpoint() {
            Ok(checkpoint) => {
                let text = format!(
                    "{} records, each chained to the one before; the head is signed. See them: `mountgate ledger tail`, `verify`",
                    checkpoint.seq() + 1
                );
                print!("{}", screen.labelled("✓", Tone::Good, &text));
                0
            }
            Err(error) => {
                print!("{}", screen.labelled("✗", Tone::Bad, &format!("the ledger gives no checkpoint: {error}")));
                1
            }
        }
    }
}

fn refused_with(answer: &Answer, code: Code) -> Result<(), String> {
    let said = answer.body.pointer("/error/code").and_then(Json::as_str);
    if answer.status == code.status() && said == Some(code.as_str()) {
        return Ok(());
    }
    Err(format!("{} {}, where {} {} was due", answer.status, said.unwrap_or("answered"), code.status(), code.as_str()))
}

fn answered(answer: &Answer) -> Result<Sheet, String> {
    if answer.status != 200 || answer.body.get("complete").and_then(Json::as_bool) != Some(true) {
        return Err(format!("{}: {}", answer.status, answer.body));
    }
    Ok(sheet_of(&answer.body))
}

fn sheet_of(body: &Json) -> Sheet {
    let items = |key: &str| body.get(key).and_then(Json::as_array).cloned().unwrap_or_default();
    let cell = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Sheet {
        columns: items("columns").iter().filter_map(|column| Some(column.get("name")?.as_str()?.to_owned())).collect(),
        rows: items("rows").iter().map(|row| row.as_array().into_iter().flatten().map(cell).collect()).collect(),
    }
}

impl Toured {
    /// What to try by hand.
    pub(super) fn invite(&self, folder: &Folder, data: SocketAddr, admin: SocketAddr) {
        let screen = self.screen;
        print!("{}", screen.heading("it serves on: try it by hand"));
        let folder = folder.path().display();
        let session = self.sessions.get("support-42").map(|session| session.token.as_str()).unwrap_or_default();
        let report = self.keys.agents.get("reporting-bot").map(String::as_str).unwrap_or_default();
        // As they are, unwrapped: to be copied.
        println!("# what support-bot may see of customer 42");
        println!("TOKEN={session}");
        println!(
            "curl -s http://{data}/v1/query -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  \
             -d '{{\"mount\": \"support\", \"sql\": \"SELECT order_id, status FROM orders ORDER BY order_id\"}}'"
        );
        println!("curl -s http://{data}/v1/mounts/support -H \"Authorization: Bearer $TOKEN\"");
        println!("\n# the reporting agent, as lines of JSON while they come");
        println!("TOKEN={report}");
        println!(
            "curl -sN http://{data}/v1/query -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  \
             -H 'Accept: application/x-ndjson' -d '{{\"mount\": \"reporting\", \"sql\": \"SELECT * FROM orders LIMIT 5\"}}'"
        );
        println!("\n# for operators");
        println!("curl -s http://{admin}/healthz");
        println!("curl -s http://{admin}/metrics -H 'Authorization: Bearer {}'", self.keys.operator);
        let binary = std::env::current_exe().map_or_else(|_| "mountgate".to_owned(), |path| path.display().to_string());
        println!("{binary} --config {folder}/mountgate.toml ledger tail");
        println!("\n# an MCP client: http://{data}/mcp, with the same tokens; all of them are in");
        println!("{folder}/demo.json");
        println!("# edit {folder}/mounts/*.toml and `kill -HUP {}`; Ctrl-C ends it", std::process::id());
    }
}
