//! What a ceiling demands of a statement beyond names: keys (`require`) and statistics (`aggregate`). Checked on the
//! resolved form, against the scope: whatever the verdict says, the ceiling's demands are in it.

mod groups;
mod keys;
pub(crate) mod sought;

use mountgate_core::{
    Refusal,
    weaken::{Defence, is_down},
};

use crate::ir::{Expr, Resolved};

/// Makes the statement meet every demand, or refuses it.
pub(crate) fn meet(resolved: &mut Resolved<'_>) -> Result<(), Refusal> {
    if !is_down(Defence::Require) {
        keys::fix(resolved)?;
    }
    if !is_down(Defence::Aggregate) {
        groups::guard(resolved)?;
    }
    Ok(())
}

/// A value as written, or bound: one value for the whole statement, whatever the row.
fn is_value(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Parameter(_) | Expr::Number(_) | Expr::Text(_) | Expr::Blob(_) | Expr::Boolean(_) => true,
        Expr::Prefix { op: "-", expr } => matches!(**expr, Expr::Number(_)),
        Expr::Cast { expr, .. } => {
            matches!(**expr, Expr::Parameter(_) | Expr::Number(_) | Expr::Text(_) | Expr::Boolean(_))
        }
        _ => false,
    }
}

/// Calls `each` with the condition's conjuncts.
fn conjuncts<'s, 'a>(condition: &'s Expr<'a>, each: &mut dyn FnMut(&'s Expr<'a>)) {
    match condition {
        Expr::Chain { op: "AND", items } => items.iter().for_each(|item| conjuncts(item, each)),
        other => each(other),
    }
}

#[cfg(test)]
mod tests;
