//! What the routes take, from the tree of a body.

use std::collections::BTreeMap;

use mountgate_core::{ClaimName, ClaimValue, MountName, Refusal};
use mountgate_mediate::{Mint, Query, Read, Write};

use super::{
    Fields, Item, Path,
    fields::{count, expected, text},
    malformed, parameters,
};

/// `POST /v1/query`: `{mount, sql, params, purpose}`.
///
/// # Errors
/// A body of another shape.
pub(crate) fn query(item: Item) -> Result<Query, Refusal> {
    let mut fields = Fields::open(item, Path::default())?.knowing(&["mount", "sql", "params", "purpose"]);
    let mount = MountName::new(fields.need_text("mount")?);
    statement(&mut fields, mount).and_then(|query| fields.end().map(|()| query))
}

/// `POST /v1/explain`: as `/v1/query`.
///
/// # Errors
/// A body of another shape.
pub(crate) fn explain(item: Item) -> Result<Query, Refusal> {
    query(item)
}

/// The fields of a statement but its mount; MCP's `query` and `explain` take the same.
///
/// # Errors
/// Fields of another shape.
pub(crate) fn statement(fields: &mut Fields, mount: MountName) -> Result<Query, Refusal> {
    let sql = fields.need_text("sql")?;
    let params = match fields.list("params")? {
        Some((items, path)) => parameters(items, &path)?,
        None => Vec::new(),
    };
    let purpose = fields.text("purpose")?;
    Ok(Query { mount, sql, params, purpose })
}

/// `POST /v1/write`: `{mount, sql, params, purpose, idempotency_key, reason}`.
///
/// # Errors
/// A body of another shape.
pub(crate) fn write(item: Item) -> Result<Write, Refusal> {
    let known = ["mount", "sql", "params", "purpose", "idempotency_key", "reason"];
    let mut fields = Fields::open(item, Path::default())?.knowing(&known);
    let mount = MountName::new(fields.need_text("mount")?);
    let Query { mount, sql, params, purpose } = statement(&mut fields, mount)?;
    let idempotency_key = fields.text("idempotency_key")?;
    let reason = fields.text("reason")?;
    fields.end()?;
    if idempotency_key.as_ref().is_some_and(String::is_empty) {
        return Err(malformed("`idempotency_key` is empty").hint("leave it out, or take a random one"));
    }
    Ok(Write { mount, sql, params, purpose, idempotency_key, reason })
}

/// `POST /v1/sessions`: `{agent, claims, ttl_seconds}`.
///
/// # Errors
/// A body of another shape, or claims of no type that claims have.
pub(crate) fn mint(item: Item) -> Result<Mint, Refusal> {
    let mut fields = Fields::open(item, Path::default())?.knowing(&["agent", "claims", "ttl_seconds"]);
    let agent = fields.need_text("agent")?.into();
    let claims = match fields.take("claims") {
        None => BTreeMap::new(),
        Some((Item::Map(entries), path)) => entries
            .into_iter()
            .map(|(name, item)| {
                let value = claim(item, &path.key(&name))?;
                Ok((ClaimName::new(name), value))
            })
            .collect::<Result<_, Refusal>>()?,
        Some((other, path)) => return Err(expected(&path, "a map", &other)),
    };
    let (ttl, path) = fields.need("ttl_seconds")?;
    let ttl_seconds = count(ttl, &path)?;
    fields.end()?;
    Ok(Mint { agent, claims, ttl_seconds })
}

fn claim(item: Item, path: &Path) -> Result<ClaimValue, Refusal> {
    let wrong = |item: &Item| expected(path, "a boolean, an integer, a text, or a list of integers or of texts", item);
    match item {
        Item::Boolean(boolean) => Ok(ClaimValue::Boolean(boolean)),
        Item::Integer(integer) => Ok(ClaimValue::Integer(integer)),
        Item::Text(text) => Ok(ClaimValue::Text(text)),
        Item::List(items) => {
            match items.first() {
                // An empty list is of no type, so nothing could be said of the columns that it may stand for.
                None => Err(malformed(format!("{} is an empty list", path.text()))
                    .hint("leave the claim out, or give it a value")),
                Some(Item::Integer(_)) => items
                    .into_iter()
                    .enumerate()
                    .map(|(at, item)| match item {
                        Item::Integer(integer) => Ok(integer),
                        other => Err(expected(&path.index(at), "an integer like the first of the list", &other)),
                    })
                    .collect::<Result<_, _>>()
                    .map(ClaimValue::Integers),
                Some(Item::Text(_)) => items
                    .into_iter()
                    .enumerate()
                    .map(|(at, item)| text(item, &path.index(at)))
                    .collect::<Result<_, _>>()
                    .map(ClaimValue::Texts),
                Some(other) => Err(wrong(other)),
            }
        }
        other => Err(wrong(&other)),
    }
}

/// `POST /v1/read`: `{mount, from, select, where, order, limit, purpose}`.
///
/// # Errors
/// A body of another shape.
pub(crate) fn read(item: Item) -> Result<Read, Refusal> {
    let mut fields = Fields::open(item, Path::default())?
        .knowing(&["mount", "from", "select", "where", "order", "limit", "purpose"]);
    let mount = MountName::new(fields.need_text("mount")?);
    let read = super::read::request(&mut fields)?;
    let purpose = fields.text("purpose")?;
    fields.end()?;
    Ok(Read { mount, read, purpose })
}
