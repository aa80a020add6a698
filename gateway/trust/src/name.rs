//! Names of plugins and of those who publish them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Names that TUF has for roles of its own.
const RESERVED: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];

/// A publisher's name, `acme`; the role that signs `acme/*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(String);

impl Namespace {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Namespace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // No dots: `1.root` as a role would be a file that is the root's.
        if !part(text) || text.contains('.') {
            return Err(format!(
                "`{text}` is no publisher: up to 64 of a-z, 0-9, `-` and `_`, a letter or digit first"
            ));
        }
        if RESERVED.contains(&text) {
            return Err(format!("`{text}` is a role of the repository's own: choose another name"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A plugin's name: `acme/support`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName {
    text: String,
    slash: usize,
}

impl PluginName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Who publishes it.
    pub fn namespace(&self) -> Namespace {
        Namespace(self.text.get(..self.slash).unwrap_or_default().to_owned())
    }

    /// The target that is its component.
    pub fn component(&self) -> String {
        format!("{}.wasm", self.text)
    }

    /// The target that is its manifest.
    pub fn manifest(&self) -> String {
        format!("{}.json", self.text)
    }

    /// The plugin whose component has that target name.
    pub fn of_component(target: &str) -> Option<Self> {
        target.strip_suffix(".wasm")?.parse().ok()
    }
}

impl FromStr for PluginName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no plugin: write `publisher/name` in a-z, 0-9, `-`, `_` and, in the name, `.`");
        let (namespace, name) = text.split_once('/').ok_or_else(wrong)?;
        let namespace: Namespace = namespace.parse().map_err(|_| wrong())?;
        if !part(name) {
            return Err(wrong());
        }
        Ok(Self { slash: namespace.0.len(), text: text.to_owned() })
    }
}

impl TryFrom<String> for PluginName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PluginName> for String {
    fn from(name: PluginName) -> Self {
        name.text
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is revoked: `acme/support`, or one release of it, `acme/support@3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// The plugin.
    pub name: PluginName,
    /// The release; every one where there is none.
    pub release: Option<u64>,
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, release)) = text.split_once('@') else {
            return Ok(Self { name: text.parse()?, release: None });
        };
        let number = release.parse().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| format!("`{release}` is no release: write `{name}@3`"))?;
        Ok(Self { name: name.parse()?, release: Some(number) })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.release {
            Some(release) => write!(f, "{}@{release}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

/// A part of a name that is the same in every file system and URL, and climbs nowhere.
fn part(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 64
        && text.starts_with(sound)
        && text.chars().all(|c| sound(c) || matches!(c, '-' | '_' | '.'))
        && !text.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_two_plain_parts() {
        let name: PluginName = "acme/support.v2".parse().unwrap();
        assert_eq!(name.namespace().as_str(), "acme");
        assert_eq!(PluginName::of_component("acme/support.v2.wasm"), Some(name));
        for bad in [
            "",
            "acme",
            "/",
            "acme/",
            "/a",
            "acme/a/b",
            "../a",
            "acme/..",
            "acme/../b",
            "a..b/c",
            "acme/a..b",
            "Acme/a",
            "acme/a b",
            "acme/a\0",
            "acme\\a/b",
            "root/a",
            "targets/a",
            "acme/%2e%2e",
            "1.root/a",
            "acme/.a",
            "acme//a",
            "http://acme/a",
            "acme/a@3",
            "ácme/a",
        ] {
            assert!(bad.parse::<PluginName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn selectors_name_a_release_or_all() {
        let one: Selector = "acme/a@3".parse().unwrap();
        assert_eq!((one.release, one.to_string()), (Some(3), "acme/a@3".to_owned()));
        assert_eq!("acme/a".parse::<Selector>().unwrap().release, None);
        for bad in ["acme/a@", "acme/a@0", "acme/a@-1", "acme/a@x", "@3", "acme@3"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }
}
