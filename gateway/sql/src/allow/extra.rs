//! Functions that an operator's configuration adds to the lists. What they read and do is not known here: the operator
//! answers for that. The gateway takes them to raise on any row, so relations are fenced from them.

use mountgate_core::ColumnType;

use crate::Dialect;

/// A function of the store's own: one value per row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    schema: Option<String>,
    name: String,
    returns: ColumnType,
    arguments: Option<u8>,
}

impl Extra {
    /// A function by its name, with the schema that it is called in (PostgreSQL; SQLite has none), the type that it
    /// returns and, where that is fixed, how many arguments it takes.
    ///
    /// # Errors
    /// Why it can't be added, and what to write.
    pub fn new(
        dialect: Dialect,
        schema: Option<&str>,
        name: &str,
        returns: ColumnType,
        arguments: Option<u8>,
    ) -> Result<Self, String> {
        plain(name)?;
        match (dialect, schema) {
            (Dialect::Postgres, Some(schema)) => plain(schema)?,
            // Without one, whoever may create a function in a schema of the search path says what is called.
            (Dialect::Postgres, None) => {
                return Err(format!("`{name}` needs its schema: write `schema = \"public\"`"));
            }
            (Dialect::Sqlite, Some(_)) => {
                return Err("functions have no schema in SQLite: take `schema` out".to_owned());
            }
            (Dialect::Sqlite, None) => {}
        }
        if !super::functions(dialect, name).is_empty() || name == "row" || name == "array" {
            return Err(format!("`{name}` is on the list already, with a reason: take it out"));
        }
        if name.starts_with("mountgate_") {
            return Err(format!("`{name}` is the masks' own, and no agent may call it"));
        }
        Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned(), returns, arguments })
    }

    /// The schema that it is called in.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type that it returns.
    pub fn returns(&self) -> &ColumnType {
        &self.returns
    }

    /// Whether it takes so many arguments.
    pub fn takes(&self, arguments: usize) -> bool {
        self.arguments.is_none_or(|wanted| usize::from(wanted) == arguments)
    }

    /// As messages name it: `public.similarity`.
    pub fn shown(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// A name that stands for itself in both dialects, quoted or not.
fn plain(name: &str) -> Result<(), String> {
    let bytes = name.as_bytes();
    let sound = bytes.first().is_some_and(|first| first.is_ascii_lowercase() || *first == b'_')
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_')
        && bytes.len() <= 63;
    if sound {
        Ok(())
    } else {
        Err(format!("`{name}` is no plain name: up to 63 of `a-z`, `0-9` and `_`, no digit first"))
    }
}
