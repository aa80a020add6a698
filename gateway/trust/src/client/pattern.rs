//! Which targets a delegated role may sign. The specification's `*` and `?` stop at a slash; those of the matcher in
//! `tough` do not, and it knows braces and classes that others read otherwise. So patterns are read here again, and only
//! those that everybody reads alike are taken.

use tough::schema::{DelegatedRole, PathSet};

use crate::error::{Kind, TrustError};

/// The patterns of a role.
pub(super) fn patterns(role: &DelegatedRole) -> Result<Vec<&str>, TrustError> {
    let refuse = |why: String| TrustError::metadata(Kind::NotDelegated, why);
    let PathSet::Paths(paths) = &role.paths else {
        return Err(refuse(format!("the role `{}` is delegated by digests of names, which cannot be read", role.name)));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '*' | '?');
    let patterns: Vec<&str> = paths.iter().map(tough::schema::PathPattern::value).collect();
    match patterns.iter().find(|pattern| !pattern.chars().all(plain) || pattern.contains("**")) {
        Some(pattern) => Err(refuse(format!(
            "the role `{}` is delegated `{}`, which is not read alike everywhere: letters, digits, `-`, `_`, `.`, `*` and `?`",
            role.name,
            pattern.escape_default()
        ))),
        None => Ok(patterns),
    }
}

/// Whether the role may sign that target.
pub(super) fn names(role: &DelegatedRole, target: &str) -> Result<bool, TrustError> {
    Ok(patterns(role)?.into_iter().any(|pattern| matches(pattern, target)))
}

fn matches(pattern: &str, target: &str) -> bool {
    let (pattern, target): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), target.split('/').collect());
    pattern.len() == target.len()
        && pattern.iter().zip(&target).all(|(pattern, part)| part_matches(pattern.as_bytes(), part.as_bytes()))
}

/// Without recursion: a pattern of many stars costs no more than its length times the text's.
fn part_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    // Where the last star was, and how much it has taken.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(read) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    read = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stops_at_a_slash() {
        assert!(matches("acme/*", "acme/support.wasm"));
        assert!(matches("acme/s*t.?asm", "acme/support.wasm"));
        assert!(matches("*/*", "acme/support.wasm"));
        for (pattern, target) in [
            ("acme/*", "acme/a/b.wasm"),
            ("acme/*", "acmeevil/a.wasm"),
            ("acme/*", "globex/a.wasm"),
            ("acme*", "acme/a.wasm"),
            ("*", "acme/a.wasm"),
            ("acme/a?", "acme/a"),
            ("acme/support", "acme/support.wasm"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, target), "{pattern} {target}");
        }
        assert!(!matches(&"*a".repeat(2_000), &"a".repeat(1_999)));
    }
}
