#![expect(clippy::string_slice, reason = "tokens are ASCII")]

use super::*;

fn refusal(text: &str) -> Option<Reason> {
    Presented::parse(text).err()
}

#[test]
fn a_token_is_taken_apart_as_it_was_made() {
    for (kind, prefix) in
        [(Kind::Agent, "mga_"), (Kind::Session, "mgs_"), (Kind::Minter, "mgm_"), (Kind::Operator, "mgo_")]
    {
        let (token, id, hash) = Token::new(kind).unwrap();
        assert!(token.expose().starts_with(prefix));
        let presented = Presented::parse(token.expose()).unwrap_or_else(|_| panic!("{kind:?}"));
        assert_eq!((presented.id, presented.hash), (id.as_str(), hash));
    }
}

#[test]
fn what_is_no_token_is_told_from_a_mistyped_one() {
    let (token, ..) = Token::new(Kind::Agent).unwrap();
    let text = token.expose();
    for other in ["", "mga_", "Bearer", "é", &text[..text.len() - 1], &format!("{text}0"), &text.to_uppercase()] {
        assert_eq!(refusal(other), Some(Reason::Malformed), "{other}");
    }
    assert_eq!(refusal(&text.replacen("mga_", "mgx_", 1)), Some(Reason::Malformed));
    assert_eq!(refusal(&text.replacen("mga_", "mgs_", 1)), Some(Reason::Checksum), "another kind");
    // Characters of more than one byte, where a careless cut would panic.
    let wide: String = text.chars().take(3).chain("é".chars()).chain(text.chars().skip(5)).collect();
    assert_eq!(wide.len(), text.len());
    assert_eq!(refusal(&wide), Some(Reason::Malformed));
}

#[test]
fn a_change_of_any_character_is_refused_before_anything_is_looked_up() {
    let (token, ..) = Token::new(Kind::Session).unwrap();
    for index in 0..token.expose().len() {
        let mut text = token.expose().as_bytes().to_vec();
        text[index] = if text[index] == b'1' { b'2' } else { b'1' };
        assert!(refusal(std::str::from_utf8(&text).unwrap()).is_some(), "character {index}");
    }
}

#[test]
fn a_hash_is_good_for_its_kind_and_id_only() {
    let secret = [3; 32];
    let one = hash(Kind::Agent, b"0123456789abcdef", &secret);
    assert_ne!(one, hash(Kind::Operator, b"0123456789abcdef", &secret));
    assert_ne!(one, hash(Kind::Agent, b"0123456789abcdeg", &secret));
}

#[test]
fn debug_shows_no_secret() {
    let (token, id, _) = Token::new(Kind::Agent).unwrap();
    let shown = format!("{token:?}");
    assert_eq!(shown, format!("Token(mga_{id}…)"));
    assert!(!shown.contains(&token.expose()[21..40]));
}

#[test]
fn no_two_tokens_are_alike() {
    let many: std::collections::HashSet<String> =
        (0..1_000).map(|_| Token::new(Kind::Agent).unwrap().0.expose().to_owned()).collect();
    assert_eq!(many.len(), 1_000);
}
