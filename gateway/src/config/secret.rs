//! Secrets: named in the configuration, never written there.

use std::{fmt, path::PathBuf};

use zeroize::Zeroizing;

use super::reader::Value;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In an environment variable.
    Env(String),
    /// In a file, a line break at its end ignored.
    File(PathBuf),
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::File(path) => write!(f, "file `{}`", path.display()),
        }
    }
}

impl Secret {
    /// Reads the secret.
    ///
    /// # Errors
    /// Where it is not there or is empty; the message names the place and never its content.
    pub fn load(&self) -> Result<Zeroizing<String>, String> {
        let text = match self {
            Self::Env(name) => {
                Zeroizing::new(std::env::var(name).map_err(|_| format!("{self} is not set, or is no text: set it"))?)
            }
            Self::File(path) => Zeroizing::new(
                std::fs::read_to_string(path).map_err(|error| format!("{self} cannot be read: {error}"))?,
            ),
        };
        let trimmed = text.strip_suffix('\n').unwrap_or(&text);
        let trimmed = trimmed.strip_suffix('\r').unwrap_or(trimmed);
        if trimmed.is_empty() {
            return Err(format!("{self} is empty"));
        }
        Ok(Zeroizing::new(trimmed.to_owned()))
    }
}

/// Reads `{ env = "…" }` or `{ file = "…" }`; files are relative to `folder`.
pub(super) fn secret(value: &Value<'_>, folder: &std::path::Path) -> Option<Secret> {
    if !value.is_table() {
        value.reject(format!(
            "`{}` is a secret, and secrets are not written in the configuration: write `{{ env = \"NAME\" }}` or `{{ file = \"path\" }}`",
            value.name()
        ));
        return None;
    }
    let table = value.table()?;
    match (table.get("env"), table.get("file")) {
        (Some(env), None) => {
            let name = env.string()?;
            if name.is_empty() || name.contains(['=', '\0']) {
                env.reject("this is no name of an environment variable");
                return None;
            }
            Some(Secret::Env(name.to_owned()))
        }
        (None, Some(file)) => Some(Secret::File(folder.join(file.string()?))),
        (Some(_), Some(file)) => {
            file.reject_key("a secret is in the environment or in a file: keep one of `env` and `file`");
            None
        }
        (None, None) => {
            table.reject(format!("`{}` should be `{{ env = \"NAME\" }}` or `{{ file = \"path\" }}`", value.name()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_its_file_without_the_line_break_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let secret = Secret::File(path.clone());
        for (written, read) in
            [("hunter2", "hunter2"), ("hunter2\n", "hunter2"), ("a b \r\n", "a b "), ("a\n\n", "a\n")]
        {
            std::fs::write(&path, written).unwrap();
            assert_eq!(secret.load().unwrap().as_str(), read);
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(secret.load().unwrap_err().contains("is empty"));
        std::fs::remove_file(&path).unwrap();
        assert!(secret.load().unwrap_err().contains("cannot be read"));
        let unset = Secret::Env("MOUNTGATE_TEST_NO_SUCH_VARIABLE".into());
        assert!(unset.load().unwrap_err().contains("`MOUNTGATE_TEST_NO_SUCH_VARIABLE` is not set"));
    }
}
