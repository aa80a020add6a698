//! Claims on the command line: `customer_id=42`, `role=junior`, `code:text=42`, `tags:texts=a,b`.

use mountgate_core::{ClaimName, ClaimValue, Claims};
use mountgate_identity::{ClaimRule, ClaimType};

/// Reads `name=value` or `name:type=value`. Without a type, a whole number is an integer, `true` and `false` are
/// booleans, and everything else is text.
///
/// # Errors
/// Says what it should look like.
pub fn claim(text: &str) -> Result<(ClaimName, ClaimValue), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` should read like `customer_id=42`, `code:text=42` or `tags:texts=a,b`"))?;
    let (name, ty) = match name.split_once(':') {
        Some((name, ty)) => (name, ty.parse::<ClaimType>()?),
        None => (name, guess(value)),
    };
    if name.is_empty() {
        return Err(format!("`{text}` has no name: write it like `customer_id=42`"));
    }
    Ok((ClaimName::new(name), typed(ty, value)?))
}

fn guess(value: &str) -> ClaimType {
    match value {
        "true" | "false" => ClaimType::Boolean,
        // What would not print as it was written (`007`, `+1`) is a code and no number.
        _ if value.parse::<i64>().is_ok_and(|number| number.to_string() == value) => ClaimType::Integer,
        _ => ClaimType::Text,
    }
}

fn typed(ty: ClaimType, value: &str) -> Result<ClaimValue, String> {
    let integer = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("`{text}` is no whole number"));
    let items = || value.split(',').filter(|_| !value.is_empty());
    Ok(match ty {
        ClaimType::Boolean => match value {
            "true" => ClaimValue::Boolean(true),
            "false" => ClaimValue::Boolean(false),
            _ => return Err(format!("`{value}` is no boolean: write `true` or `false`")),
        },
        ClaimType::Integer => ClaimValue::Integer(integer(value)?),
        ClaimType::Text => ClaimValue::Text(value.to_owned()),
        ClaimType::Integers => ClaimValue::Integers(items().map(integer).collect::<Result<_, _>>()?),
        ClaimType::Texts => ClaimValue::Texts(items().map(str::to_owned).collect()),
    })
}

/// Claims, none named twice.
///
/// # Errors
/// Where one is.
pub fn together(all: &[(ClaimName, ClaimValue)]) -> Result<Claims, String> {
    let mut claims = Claims::new();
    for (name, value) in all {
        if claims.insert(name.clone(), value.clone()).is_some() {
            return Err(format!("the claim `{name}` is given twice"));
        }
    }
    Ok(claims)
}

/// What a minter may claim: `customer_id:integer`, or `role:text=junior,senior` for these values only.
///
/// # Errors
/// Says what it should look like.
pub fn rule(text: &str) -> Result<(ClaimName, ClaimRule), String> {
    let (head, values) = match text.split_once('=') {
        Some((head, values)) => (head, Some(values)),
        None => (text, None),
    };
    let shape = || format!("`{text}` should read like `customer_id:integer` or `role:text=junior,senior`");
    let (name, ty) = head.split_once(':').ok_or_else(shape)?;
    if name.is_empty() {
        return Err(shape());
    }
    let ty: ClaimType = ty.parse()?;
    let values = match values {
        None => None,
        Some(_) if matches!(ty, ClaimType::Integers | ClaimType::Texts) => {
            return Err(format!("`{text}`: values can be listed for single claims only, not for lists"));
        }
        Some(values) => Some(values.split(',').map(|value| typed(ty, value)).collect::<Result<Vec<_>, _>>()?),
    };
    Ok((ClaimName::new(name), ClaimRule { ty, values }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> ClaimValue {
        claim(text).unwrap().1
    }

    #[test]
    fn types_are_guessed_only_where_nothing_is_lost() {
        assert_eq!(value("customer_id=42"), ClaimValue::Integer(42));
        assert_eq!(value("delta=-7"), ClaimValue::Integer(-7));
        assert_eq!(value("code=007"), ClaimValue::Text("007".into()));
        assert_eq!(value("code=+1"), ClaimValue::Text("+1".into()));
        assert_eq!(value("big=99999999999999999999"), ClaimValue::Text("99999999999999999999".into()));
        assert_eq!(value("on=true"), ClaimValue::Boolean(true));
        assert_eq!(value("role=junior"), ClaimValue::Text("junior".into()));
        assert_eq!(value("note=a=b"), ClaimValue::Text("a=b".into()));
        assert_eq!(value("empty="), ClaimValue::Text(String::new()));
    }

    #[test]
    fn types_hold_where_they_are_given() {
        assert_eq!(value("name:text=42"), ClaimValue::Text("42".into()));
        assert_eq!(value("tags:texts=a,b"), ClaimValue::Texts(vec!["a".into(), "b".into()]));
        assert_eq!(value("tags:texts="), ClaimValue::Texts(vec![]));
        assert_eq!(value("ids:integers=1, 2"), ClaimValue::Integers(vec![1, 2]));
        for bad in ["x", "=1", "x:integer=a", "x:boolean=yes", "x:integers=1,b", "x:decimal=1", ":text=1"] {
            assert!(claim(bad).is_err(), "{bad}");
        }
        let twice = [claim("a=1").unwrap(), claim("a=2").unwrap()];
        assert!(together(&twice).is_err());
    }

    #[test]
    fn rules_of_minters() {
        let (name, any) = rule("customer_id:integer").unwrap();
        assert_eq!((name.as_str(), any), ("customer_id", ClaimRule::of(ClaimType::Integer)));
        let (_, some) = rule("role:text=junior,senior").unwrap();
        assert_eq!(some.values, Some(vec![ClaimValue::Text("junior".into()), ClaimValue::Text("senior".into())]));
        for bad in ["role", ":text", "role:txt", "ids:integers=1"] {
            assert!(rule(bad).is_err(), "{bad}");
        }
    }
}
