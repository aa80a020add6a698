//! A tool's call: its arguments to the middle, and back as text and structure.

use std::{panic::AssertUnwindSafe, sync::Arc};

use bytes::BytesMut;
use futures::FutureExt;
use hyper::http::request::Parts;
use mountgate_core::{Code, MountName, Refusal};
use mountgate_mediate::{MountDetail, Query, Refused};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::Instrument;

use super::tools::{INSTRUCTIONS, Name, TOOLS};
use crate::{
    body::{self, Fields, Item, Path, malformed, shown},
    encode::{Encoder, End, error_fields},
    media::Format,
    middle::{Middle, Opened, Rows},
};

/// Who calls, and with what: put on the HTTP request by the door.
pub(super) struct Caller<M: Middle> {
    pub(super) entered: M::Entered,
    pub(super) arguments: Option<Item>,
    pub(super) span: tracing::Span,
}

/// What a tool says: a text for the model, and a structure.
pub(super) struct Told {
    pub(super) text: String,
    /// In JSON; none where the text is it.
    pub(super) structure: Option<String>,
    pub(super) is_error: bool,
}

impl From<Told> for CallToolResult {
    fn from(told: Told) -> Self {
        let Told { text, structure, is_error } = told;
        let structure: Option<Value> = serde_json::from_str(structure.as_deref().unwrap_or(&text)).ok();
        let make = if is_error { CallToolResult::error } else { CallToolResult::success };
        let mut result = make(vec![ContentBlock::text(text)]);
        result.structured_content = structure;
        result
    }
}

/// The tools.
#[derive(Clone)]
pub(super) struct Tools<M> {
    middle: M,
    /// Bytes of rows in a result.
    tool_bytes: usize,
    statement_bytes: usize,
}

impl<M: Middle> Tools<M> {
    pub(super) fn new(middle: M, tool_bytes: usize, statement_bytes: usize) -> Self {
        Self { middle, tool_bytes, statement_bytes }
    }

    /// Runs a tool. Whatever goes wrong is told to the model.
    pub(super) async fn told(&self, name: Name, entered: &M::Entered, arguments: Option<Item>) -> Told {
        match AssertUnwindSafe(self.run(name, entered, arguments)).catch_unwind().await {
            Ok(Ok(told)) => told,
            Ok(Err(refusal)) => refused(&refusal),
            Err(_) => {
                tracing::error!(tool = name.text(), "a tool's call panicked");
                refused(&Refusal::new(Code::Internal, "something is wrong inside the gateway").into())
            }
        }
    }

    async fn run(&self, name: Name, entered: &M::Entered, arguments: Option<Item>) -> Result<Told, Refused> {
        let arguments = arguments.unwrap_or_else(|| Item::Map(Vec::new()));
        let mut fields = Fields::open(arguments, Path::default())?;
        match name {
            Name::ListTables => {
                let mount = mount(&mut fields, &["mount"])?;
                fields.end()?;
                let detail = self.middle.mount(entered, &self.the_mount(entered, mount)?)?;
                Ok(structured(&tables(&detail)))
            }
            Name::DescribeTable => {
                let mount = mount(&mut fields, &["mount", "table"])?;
                let table = fields.need_text("table")?;
                fields.end()?;
                let detail = self.middle.mount(entered, &self.the_mount(entered, mount)?)?;
                let name = &detail.summary.name;
                match detail.relations.iter().find(|relation| relation.name.as_str().eq_ignore_ascii_case(&table)) {
                    Some(relation) => Ok(structured(&json!({
                        "mount": name,
                        "dialect": detail.summary.dialect,
                        "table": relation,
                    }))),
                    None => Err(unknown_table(&table, &detail).into()),
                }
            }
            Name::Query => {
                let query = self.statement(entered, fields)?;
                self.rows(self.middle.query(entered, query).await?).await
            }
            Name::Explain => {
                let query = self.statement(entered, fields)?;
                Ok(structured(&self.middle.explain(entered, query).await?))
            }
            Name::MyPermissions => {
                let mount = mount(&mut fields, &["mount"])?;
                fields.end()?;
                let names = match mount {
                    Some(name) => vec![name],
                    None => self.middle.mounts(entered)?.into_iter().map(|mount| mount.name).collect(),
                };
                let mounts =
                    names.iter().map(|name| self.middle.mount(entered, name)).collect::<Result<Vec<_>, _>>()?;
                Ok(structured(&json!({ "mounts": mounts })))
            }
        }
    }

    fn statement(&self, entered: &M::Entered, mut fields: Fields) -> Result<Query, Refused> {
        let mount = mount(&mut fields, &["mount", "sql", "params", "purpose"])?;
        let query = body::statement(&mut fields, MountName::new(""))?;
        fields.end()?;
        if query.sql.len() > self.statement_bytes {
            return Err(Refusal::new(
                Code::TooLarge,
                format!("the statement has {} bytes, and {} are allowed", query.sql.len(), self.statement_bytes),
            )
            .hint("bind data as parameters")
            .into());
        }
        Ok(Query { mount: self.the_mount(entered, mount)?, ..query })
    }

    /// The mount that is meant: the one named, or the only one.
    fn the_mount(&self, entered: &M::Entered, named: Option<MountName>) -> Result<MountName, Refused> {
        if let Some(name) = named {
            return Ok(name);
        }
        let mut mounts = self.middle.mounts(entered)?.into_iter().map(|mount| mount.name);
        match (mounts.next(), mounts.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Refusal::new(Code::MountNotFound, "no mount serves you")
                .hint("the operator adds agents to mounts")
                .into()),
            (Some(first), Some(second)) => {
                let names: Vec<String> =
                    [first, second].into_iter().chain(mounts).map(|name| format!("`{name}`")).collect();
                Err(malformed("`mount` is missing, and there are several")
                    .hint(format!("call again with one of: {}", names.join(", ")))
                    .into())
            }
        }
    }

    async fn rows(&self, opened: Opened<M::Rows>) -> Result<Told, Refused> {
        let Opened { decision_id, observed, columns, mut rows } = opened;
        let mut out = BytesMut::with_capacity(1024);
        let mut encoder = Encoder::begin(Format::Json, &decision_id, observed, &columns, &mut out);
        let mut written = 0;
        let end = 'all: loop {
            match rows.next().await {
                Ok(Some(batch)) => {
                    for row in batch.rows() {
                        // A model reads no more: the answer is cut, which stops the backend and is on record as that.
                        if out.len() >= self.tool_bytes {
                            rows.cut();
                            break 'all End { rows: written, truncated: true };
                        }
                        encoder.row(row, &mut out);
                        written += 1;
                    }
                }
                Ok(None) => break rows.end(),
                Err(refusal) => return Err(Refused { refusal, decision_id: Some(decision_id) }),
            }
        };
        encoder.end(end, &mut out);
        let internal = || Refusal::new(Code::Internal, "the answer could not be written");
        let text = String::from_utf8(out.into()).map_err(|_| internal())?;
        Ok(Told { text, structure: None, is_error: false })
    }
}

fn mount(fields: &mut Fields, known: &[&'static str]) -> Result<Option<MountName>, Refusal> {
    fields.know(known);
    Ok(fields.text("mount")?.map(MountName::new))
}

fn structured(value: &impl Serialize) -> Told {
    let text = serde_json::to_value(value).unwrap_or(Value::Null).to_string();
    Told { text, structure: None, is_error: false }
}

fn tables(detail: &MountDetail) -> Value {
    let tables: Vec<Value> = detail
        .relations
        .iter()
        .map(|relation| {
            let columns: Vec<&str> = relation.columns.iter().map(|column| column.name.as_str()).collect();
            let table = json!({ "name": relation.name, "columns": columns, "filtered": relation.filtered });
            // Without these, a model only finds out by being refused.
            let require = (!relation.require.is_empty()).then(|| ("require", json!(relation.require)));
            let min_group = relation.min_group.map(|least| ("min_group", json!(least)));
            match table {
                Value::Object(mut table) => {
                    table.extend(require.into_iter().chain(min_group).map(|(key, value)| (key.to_owned(), value)));
                    Value::Object(table)
                }
                other => other,
            }
        })
        .collect();
    json!({ "mount": detail.summary.name, "dialect": detail.summary.dialect, "tables": tables })
}

fn unknown_table(table: &str, detail: &MountDetail) -> Refusal {
    let names: Vec<String> = detail.relations.iter().map(|relation| format!("`{}`", relation.name)).collect();
    let refusal = Refusal::new(
        Code::NotInScope,
        format!("no table `{}` in scope of mount `{}`", shown(table), detail.summary.name),
    );
    if names.is_empty() {
        refusal.hint("no table is in scope now")
    } else {
        refusal.hint(format!("tables in scope: {}", names.join(", ")))
    }
}

/// A refusal as a model reads it: what, why, and what to do instead; the structure is that of every door.
fn refused(refused: &Refused) -> Told {
    let Refused { refusal, decision_id } = refused;
    let mut text = format!("refused ({}): {}", refusal.code, refusal.message);
    if let Some(hint) = &refusal.hint {
        text.push_str("\nwhat to do: ");
        text.push_str(hint);
    }
    if let Some(seconds) = refusal.retry_after {
        text.push_str(&format!("\nask again in {seconds} s"));
    }
    if let Some(id) = decision_id {
        text.push_str("\ndecision: ");
        text.push_str(id);
    }
    let structure = json!({ "error": error_fields(refusal, decision_id.as_deref()) });
    Told { text, structure: Some(structure.to_string()), is_error: true }
}

impl<M: Middle> ServerHandler for Tools<M> {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("mountgate", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(TOOLS.clone()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        TOOLS.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = Name::of(&request.name).ok_or_else(|| {
            ErrorData::invalid_params(
                format!(
                    "no tool `{}`; tools: list_tables, describe_table, query, explain, my_permissions",
                    shown(&request.name)
                ),
                None,
            )
        })?;
        // INVARIANT: the door puts the caller on every request before the library sees it; without one, nothing runs.
        let caller = context
            .extensions
            .get::<Parts>()
            .and_then(|parts| parts.extensions.get::<Arc<Caller<M>>>())
            .cloned()
            .ok_or_else(|| ErrorData::internal_error("the request has no caller", None))?;
        let running = self.told(name, &caller.entered, caller.arguments.clone()).instrument(caller.span.clone());
        // The client's going away drops the answer, which cancels the backend's work.
        tokio::select! {
            told = running => Ok(CallToolResult::from(told).into()),
            () = context.ct.cancelled() => Err(ErrorData::internal_error("cancelled", None)),
        }
    }
}
