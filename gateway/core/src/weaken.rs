//! Defences that can be taken down, in test builds only (`cfg(mountgate_weaken)`, see `build.rs`): to see that the
//! tests fail without them, or that another defence still holds. In every other build [`is_down`] is a constant
//! `false`, and there is no way to change it.

/// A defence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defence {
    /// The ceiling ∩ the verdict: without it, the verdict alone says what is in scope.
    Ceiling,
    /// The verdict: without it, every policy is taken to grant the ceiling as it is.
    Verdict,
    /// The fence around scoped relations against predicates that run too early.
    Fence,
    /// SQLite's authorizer behind a wall: without it, a statement may read whatever it can name.
    Authorizer,
    /// `require`: without it, a relation for look-ups by key answers whatever is asked.
    Require,
    /// `aggregate`: without it, a relation for statistics only answers with rows, and groups of any size.
    Aggregate,
    /// The rewriter's masks: without them, columns in scope are printed as the store has them.
    Masks,
    /// The rewriter's filters: without them, every row of a relation is printed as in scope.
    Filters,
    /// That the branches of a set operation are rewritten: without it, all but the first read their relations as they are.
    SetOperations,
    /// That subqueries in expressions are rewritten: without it, they read their relations as they are.
    Subqueries,
    /// That a qualified name is never a CTE: without it, a CTE takes the place of the table of its name.
    CteScoping,
    /// The list of functions: without it, any name that an agent calls is printed.
    FunctionList,
    /// That every column is printed behind its table's alias: without it, the store says which one a bare name means.
    Qualification,
    /// What the store's own wall shows: without it, the wall's views have every row, and values as they are stored.
    StoreWall,
    /// That a store's words end in the gateway: without it, they are in the refusal that the agent gets.
    ErrorTexts,
    /// That a store is only read from: without it, transactions and files are opened for writing.
    ReadOnly,
}

impl Defence {
    /// Those that generated statements must notice (`cargo xtask soundness --defences`); the others have tests of their own.
    pub const GENERATED: [Self; 11] = [
        Self::Ceiling,
        Self::Verdict,
        Self::Fence,
        Self::Masks,
        Self::Filters,
        Self::SetOperations,
        Self::Subqueries,
        Self::CteScoping,
        Self::FunctionList,
        Self::Qualification,
        Self::StoreWall,
    ];

    /// Its name in the table of defences.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ceiling => "the ceiling (core)",
            Self::Verdict => "the verdict (core)",
            Self::Fence => "the fence (sql)",
            Self::Authorizer => "the authorizer (driver)",
            Self::Require => "required keys (sql)",
            Self::Aggregate => "aggregates only (sql)",
            Self::Masks => "masks (sql)",
            Self::Filters => "filters (sql)",
            Self::SetOperations => "tables of set operations (sql)",
            Self::Subqueries => "tables of subqueries (sql)",
            Self::CteScoping => "scoping of CTEs (sql)",
            Self::FunctionList => "the list of functions (sql)",
            Self::Qualification => "qualified columns (sql)",
            Self::StoreWall => "the store's wall (backend), with masks and filters (sql)",
            Self::ErrorTexts => "error texts (backend)",
            Self::ReadOnly => "reading only (driver)",
        }
    }
}

/// Whether this is a build in which defences can be taken down. Such a build must not serve.
pub const WEAKENED_BUILD: bool = cfg!(mountgate_weaken);

#[cfg(mountgate_weaken)]
mod switches {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Defence;

    static DOWN: AtomicU32 = AtomicU32::new(0);

    /// Takes a defence down, or puts it up again, for the whole process.
    pub fn set(defence: Defence, down: bool) {
        let bit = 1_u32 << defence as u32;
        if down {
            DOWN.fetch_or(bit, Ordering::SeqCst);
        } else {
            DOWN.fetch_and(!bit, Ordering::SeqCst);
        }
    }

    pub(super) fn is_down(defence: Defence) -> bool {
        DOWN.load(Ordering::SeqCst) & (1_u32 << defence as u32) != 0
    }
}

#[cfg(mountgate_weaken)]
pub use switches::set;

/// Whether the defence is down.
#[inline(always)]
pub fn is_down(defence: Defence) -> bool {
    #[cfg(mountgate_weaken)]
    {
        switches::is_down(defence)
    }
    #[cfg(not(mountgate_weaken))]
    {
        let _ = defence;
        false
    }
}
