//! What a PostgreSQL database says of its tables and views.

use std::sync::Arc;

use mountgate_core::{
    Catalogue, ColumnInfo, ColumnName, ColumnType, RelationInfo, RelationName,
    catalogue::{Dependent, Links, Parent},
};

use super::{
    error::{Phase, failed},
    session::Session,
};
use crate::StoreError;

/// Tables, partitioned and foreign ones too, views and materialised views; nothing of the system's own, nothing
/// temporary.
const RELATION: &str = "SELECT c.oid, n.nspname::text, c.relname::text
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
      AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

/// Columns with the type beneath any domain, and of an array its elements' type beneath any domain.
const COLUMNS: &str = "WITH RECURSIVE chain(top, oid) AS (
        SELECT t.oid, t.oid FROM pg_catalog.pg_type t
      UNION ALL
        SELECT chain.top, t.typbasetype FROM chain JOIN pg_catalog.pg_type t ON t.oid = chain.oid WHERE t.typtype = 'd'
    ), base(top, oid) AS (
        SELECT chain.top, chain.oid FROM chain JOIN pg_catalog.pg_type t ON t.oid = chain.oid WHERE t.typtype <> 'd'
    )
    SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod),
           b.typname::text, b.typtype::text, e.typname::text, e.typtype::text,
           NOT COALESCE(co.collisdeterministic, true)
    FROM pg_catalog.pg_attribute a
    JOIN base ON base.top = a.atttypid
    JOIN pg_catalog.pg_type b ON b.oid = base.oid
    LEFT JOIN base ebase ON ebase.top = b.typelem AND b.typcategory = 'A'
    LEFT JOIN pg_catalog.pg_type e ON e.oid = ebase.oid
    LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum";

const KEY: &str = "SELECT a.attname::text
    FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = $1 AND i.indisprimary AND k.n <= i.indnkeyatts
    ORDER BY k.n";

/// The relation's foreign keys: the other's schema and name, the columns that refer, those referred to.
const OUT: &str = "SELECT n.nspname::text, o.relname::text,
           ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k(attnum, n)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum ORDER BY k.n),
           ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k(attnum, n)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum ORDER BY k.n)
    FROM pg_catalog.pg_constraint c
    JOIN pg_catalog.pg_class o ON o.oid = c.confrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace
    WHERE c.contype = 'f' AND c.conrelid = $1
    ORDER BY c.oid";

/// The foreign keys that refer to the relation: the other's name, the columns referred to, and whether the other is
/// changed with them.
const IN: &str = "SELECT n.nspname || '.' || o.relname,
           ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k(attnum, n)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum ORDER BY k.n),
           c.confdeltype NOT IN ('a', 'r'), c.confupdtype NOT IN ('a', 'r')
    FROM pg_catalog.pg_constraint c
    JOIN pg_catalog.pg_class o ON o.oid = c.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace
    WHERE c.contype = 'f' AND c.confrelid = $1
    ORDER BY c.oid";

/// The relations among `names`; `orders` is `public.orders`. Spelt exactly as PostgreSQL holds them.
pub(super) async fn read(session: &mut Session, names: &[RelationName]) -> Result<Catalogue, StoreError> {
    let mut catalogue = Catalogue::default();
    for name in names {
        // A name may hold a dot itself: the whole is tried first.
        let mut places = vec![("public", name.as_str())];
        places.extend(name.as_str().split_once('.'));
        for (schema, relation) in places {
            if let Some((info, links)) = relation_at(session, schema, relation).await? {
                catalogue.relations.insert(name.clone(), info);
                catalogue.links.insert(name.clone(), links);
                break;
            }
        }
    }
    Ok(catalogue)
}

async fn relation_at(
    session: &mut Session,
    schema: &str,
    name: &str,
) -> Result<Option<(RelationInfo, Links)>, StoreError> {
    let client = Arc::clone(&session.client);
    let work = async move {
        let Some(found) = client.query_opt(RELATION, &[&schema, &name]).await? else { return Ok(None) };
        let oid: u32 = found.try_get(0)?;
        let mut columns = Vec::new();
        for row in client.query(COLUMNS, &[&oid]).await? {
            let (base, kind): (String, String) = (row.try_get(2)?, row.try_get(3)?);
            let element: Option<(String, String)> = match (row.try_get(4)?, row.try_get(5)?) {
                (Some(name), Some(kind)) => Some((name, kind)),
                _ => None,
            };
            let loose_collation: bool = row.try_get(6)?;
            let ty = match &element {
                Some((name, kind)) => ColumnType::Array(Box::new(column_type(name, kind))),
                None => column_type(&base, &kind),
            };
            let beneath = element.map_or(base, |(name, _)| name);
            columns.push(ColumnInfo {
                name: ColumnName::new(row.try_get::<_, String>(0)?),
                ty,
                store_type: row.try_get(1)?,
                // citext ignores case, bpchar trailing spaces.
                loose_equality: loose_collation || matches!(beneath.as_str(), "citext" | "bpchar"),
            });
        }
        let key = client.query(KEY, &[&oid]).await?;
        let key = key.iter().map(|row| row.try_get::<_, String>(0).map(ColumnName::new)).collect::<Result<_, _>>()?;
        let mut links = Links::default();
        for row in client.query(OUT, &[&oid]).await? {
            links.parents.push(Parent {
                schema: row.try_get(0)?,
                name: row.try_get(1)?,
                columns: names(row.try_get(2)?),
                referred: names(row.try_get(3)?),
            });
        }
        for row in client.query(IN, &[&oid]).await? {
            links.dependents.push(Dependent {
                relation: row.try_get(0)?,
                columns: names(row.try_get(1)?),
                on_delete: row.try_get(2)?,
                on_update: row.try_get(3)?,
            });
        }
        let info = RelationInfo { schema: found.try_get(1)?, name: found.try_get(2)?, columns, key };
        Ok(Some((info, links)))
    };
    session.drive(work).await?.map_err(|e: tokio_postgres::Error| failed(&e, Phase::Prepare))
}

fn names(names: Vec<String>) -> Vec<ColumnName> {
    names.into_iter().map(ColumnName::new).collect()
}

/// Our name for a type. Enums are text, by their labels; what can't be read at all is `Any`.
fn column_type(name: &str, kind: &str) -> ColumnType {
    match (kind, name) {
        ("e", _) => ColumnType::Text,
        ("b", "bool") => ColumnType::Boolean,
        ("b", "int2" | "int4" | "int8" | "oid") => ColumnType::Integer,
        ("b", "float4" | "float8") => ColumnType::Float,
        ("b", "numeric") => ColumnType::Decimal,
        ("b", "text" | "varchar" | "bpchar" | "name" | "char" | "citext" | "xml") => ColumnType::Text,
        ("b", "inet" | "cidr" | "macaddr" | "bit" | "varbit") => ColumnType::Text,
        ("b", "bytea") => ColumnType::Bytes,
        ("b", "date") => ColumnType::Date,
        ("b", "time" | "timetz") => ColumnType::Time,
        ("b", "timestamp") => ColumnType::Timestamp,
        ("b", "timestamptz") => ColumnType::TimestampTz,
        ("b", "interval") => ColumnType::Interval,
        ("b", "uuid") => ColumnType::Uuid,
        ("b", "json" | "jsonb") => ColumnType::Json,
        _ => ColumnType::Any,
    }
}
