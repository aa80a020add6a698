//! What an operator's configuration adds to the lists. What it reads and does is not known here: the operator answers for
//! that. The gateway takes it to raise on any row, so relations are fenced from it.

use std::{
    collections::BTreeSet,
    sync::{Mutex, OnceLock, PoisonError},
};

use mountgate_core::ColumnType;

use crate::Dialect;

/// A function, operator or type of the store's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    schema: Option<String>,
    name: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// One value per row, of that type; with how many arguments, where that is fixed.
    Function { returns: ColumnType, arguments: Option<u8> },
    /// A binary operator, as it is printed.
    Operator { printed: &'static str },
    /// A type that may be cast to, and what the gateway takes its values for.
    Type { is: ColumnType },
}

impl Extra {
    /// A function by its name, with the schema that it is called in (PostgreSQL; SQLite has none), the type that it
    /// returns and, where that is fixed, how many arguments it takes.
    ///
    /// # Errors
    /// Why it can't be added, and what to write.
    pub fn function(
        dialect: Dialect,
        schema: Option<&str>,
        name: &str,
        returns: ColumnType,
        arguments: Option<u8>,
    ) -> Result<Self, String> {
        plain(name)?;
        match (dialect, schema) {
            (Dialect::Postgres, schema) => drop(of_schema(schema, name)?),
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
        let what = What::Function { returns, arguments };
        Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned(), what })
    }

    /// A binary operator of PostgreSQL by its symbol, with the schema that it is in.
    ///
    /// # Errors
    /// Why it can't be added, and what to write.
    pub fn operator(dialect: Dialect, schema: Option<&str>, symbol: &str) -> Result<Self, String> {
        if dialect == Dialect::Sqlite {
            return Err("SQLite's operators are those of its grammar: none can be added".to_owned());
        }
        let schema = of_schema(schema, symbol)?;
        // What else begins a comment, or is the grammar's own.
        let sound = !symbol.is_empty()
            && symbol.len() <= 63
            && symbol.bytes().all(|byte| b"+-*/<>=~!@#%^&|?".contains(&byte))
            && !symbol.contains("--")
            && !symbol.contains("/*")
            && !matches!(symbol, "=" | "<" | ">" | "<=" | ">=" | "<>" | "!=" | "=>");
        if !sound {
            return Err(format!("`{symbol}` is no operator that can be added: up to 63 of `+-*/<>=~!@#%^&|?`"));
        }
        if super::operator(dialect, symbol).is_some() {
            return Err(format!("`{symbol}` is on the list already, with a reason: take it out"));
        }
        let printed = kept(format!("OPERATOR(\"{schema}\".{symbol})"));
        Ok(Self { schema: Some(schema.to_owned()), name: symbol.to_owned(), what: What::Operator { printed } })
    }

    /// A type of PostgreSQL that may be cast to, with the schema that it is in and what the gateway takes its values for.
    ///
    /// # Errors
    /// Why it can't be added, and what to write.
    pub fn of_type(dialect: Dialect, schema: Option<&str>, name: &str, is: ColumnType) -> Result<Self, String> {
        if dialect == Dialect::Sqlite {
            return Err("a cast in SQLite applies one of five affinities: no type can be added".to_owned());
        }
        plain(name)?;
        let schema = of_schema(schema, name)?;
        if super::cast_type(dialect, name).is_some() {
            return Err(format!("`{name}` is on the list already, with a reason: take it out"));
        }
        // These read the catalogue: `'secret'::regclass` tells whether there is such a table.
        if schema == "pg_catalog" {
            return Err(format!("`{name}` of `pg_catalog` is not on the list for a reason: it can't be added"));
        }
        Ok(Self { schema: Some(schema.to_owned()), name: name.to_owned(), what: What::Type { is } })
    }

    /// `function`, `operator` or `type`.
    pub fn kind(&self) -> &'static str {
        match self.what {
            What::Function { .. } => "function",
            What::Operator { .. } => "operator",
            What::Type { .. } => "type",
        }
    }

    /// The schema that it is in.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of a function's result; `None` where it is no function.
    pub fn returns(&self) -> Option<&ColumnType> {
        match &self.what {
            What::Function { returns, .. } => Some(returns),
            What::Operator { .. } | What::Type { .. } => None,
        }
    }

    /// Whether it is a function that takes so many arguments.
    pub fn takes(&self, count: usize) -> bool {
        match &self.what {
            What::Function { arguments, .. } => arguments.is_none_or(|wanted| usize::from(wanted) == count),
            What::Operator { .. } | What::Type { .. } => false,
        }
    }

    /// Whether it is a function of that name.
    pub(crate) fn is_function(&self, name: &str) -> bool {
        matches!(self.what, What::Function { .. }) && self.name == name
    }

    /// The operator as it is printed, where it is the one of that symbol.
    pub(crate) fn as_operator(&self, symbol: &str) -> Option<&'static str> {
        match self.what {
            What::Operator { printed } if self.name == symbol => Some(printed),
            What::Operator { .. } | What::Function { .. } | What::Type { .. } => None,
        }
    }

    /// The type as it is printed, and what its values are taken for, where it is the one of that name, which may be
    /// qualified.
    pub(crate) fn as_type(&self, written: &str) -> Option<(String, &ColumnType)> {
        let What::Type { is } = &self.what else { return None };
        let schema = self.schema.as_deref()?;
        let fits = written == self.name
            || written.strip_prefix(schema).and_then(|rest| rest.strip_prefix('.')) == Some(&self.name);
        fits.then(|| (format!("\"{schema}\".\"{}\"", self.name), is))
    }

    /// As messages name it: `public.similarity`.
    pub fn shown(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

fn of_schema<'s>(schema: Option<&'s str>, name: &str) -> Result<&'s str, String> {
    // Without one, whoever may create something in a schema of the search path says what is meant.
    let schema = schema.ok_or_else(|| format!("`{name}` needs its schema: write `schema = \"public\"`"))?;
    plain(schema)?;
    Ok(schema)
}

/// The text, kept as long as the process runs, each once: the resolved form holds operators by reference.
fn kept(text: String) -> &'static str {
    static KEPT: OnceLock<Mutex<BTreeSet<&'static str>>> = OnceLock::new();
    let mut kept = KEPT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(text.as_str()) {
        return known;
    }
    let text: &'static str = Box::leak(text.into_boxed_str());
    kept.insert(text);
    text
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
