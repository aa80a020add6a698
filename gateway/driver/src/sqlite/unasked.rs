//! What SQLite does not ask the authorizer about: the columns that NATURAL and USING compare. `FROM mine NATURAL JOIN
//! theirs` reads `theirs` without a word, so behind a wall neither is taken. (The rewriter writes both as ON.)
//!
//! A statement is looked through for the two words as SQLite's tokenizer would find them. What the two might read
//! differently (comments, `[…]`, backticks, variables with names, whose brackets may hold quotes) is not taken either.

/// Why the text is not taken, where it isn't.
pub(super) fn refused(text: &str) -> Option<&'static str> {
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'\'' | b'"' => match quoted(after, *first) {
                Some(after) => after,
                None => return Some("a quote is not closed"),
            },
            b'[' | b']' | b'`' | b'$' | b'@' | b'#' | b':' | b'\\' | b'{' | b'}' | 0 => {
                return Some("it is spelt in a way that is not read alike everywhere");
            }
            b'-' if after.first() == Some(&b'-') => return Some("it holds a comment"),
            b'/' if after.first() == Some(&b'*') => return Some("it holds a comment"),
            byte if is_of_a_word(*byte) => {
                let length = rest.iter().take_while(|byte| is_of_a_word(**byte)).count();
                let (word, after) = rest.split_at(length);
                if [b"natural".as_slice(), b"using"].iter().any(|unasked| word.eq_ignore_ascii_case(unasked)) {
                    return Some("NATURAL and USING compare columns without asking");
                }
                after
            }
            _ => after,
        };
    }
    None
}

/// What follows the quoted text.
fn quoted(mut rest: &[u8], quote: u8) -> Option<&[u8]> {
    loop {
        let end = rest.iter().position(|byte| *byte == quote)?;
        rest = rest.get(end + 1..)?;
        match rest.split_first() {
            // Doubled, it is one of the text's own.
            Some((next, after)) if *next == quote => rest = after,
            Some(_) | None => return Some(rest),
        }
    }
}

fn is_of_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests;
