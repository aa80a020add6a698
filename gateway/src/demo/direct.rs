//! What the same SQL gives whoever holds the store's credential: the other half of the tour's comparison.

use rusqlite::{Connection, OpenFlags, types::ValueRef};
use tokio::runtime::Handle;
use tokio_postgres::SimpleQueryMessage;

use super::{screen::Sheet, store::Shop};

impl Shop {
    /// Runs a statement as it is.
    ///
    /// # Errors
    /// What the store says.
    pub(super) fn ask(&self, sql: &str, handle: &Handle) -> Result<Sheet, String> {
        match self {
            Self::Sqlite(path) => {
                let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
                connection.and_then(|connection| sqlite(&connection, sql)).map_err(|error| error.to_string())
            }
            Self::Postgres { login, .. } => handle.block_on(async {
                let client = super::store::connect(login).await.map_err(|error| format!("{error:#}"))?;
                let messages = client.simple_query(sql).await.map_err(|error| match error.as_db_error() {
                    Some(said) => said.message().to_owned(),
                    None => error.to_string(),
                })?;
                Ok(postgres(&messages))
            }),
        }
    }
}

fn sqlite(connection: &Connection, sql: &str) -> rusqlite::Result<Sheet> {
    let mut statement = connection.prepare(sql)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let width = columns.len();
    let mut rows = statement.query([])?;
    let mut sheet = Sheet { columns, rows: vec![] };
    while let Some(row) = rows.next()? {
        let cells = (0..width).map(|at| {
            Ok(match row.get_ref(at)? {
                ValueRef::Null => "null".to_owned(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
                ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
            })
        });
        sheet.rows.push(cells.collect::<rusqlite::Result<_>>()?);
    }
    Ok(sheet)
}

fn postgres(messages: &[SimpleQueryMessage]) -> Sheet {
    let mut sheet = Sheet::default();
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                sheet.columns = columns.iter().map(|column| column.name().to_owned()).collect();
            }
            SimpleQueryMessage::Row(row) => {
                let cells = (0..row.len()).map(|at| row.get(at).unwrap_or("null").to_owned());
                sheet.rows.push(cells.collect());
            }
            _ => {}
        }
    }
    sheet
}
