//! Why a component is not admitted, and why a policy gave no verdict.

/// Why a component may not run.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// It is larger than the host takes.
    #[error("the component has {size} bytes, more than the {limit} that are admitted")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The host's limit in bytes.
        limit: usize,
    },
    /// It has more parts than the host is willing to compile.
    #[error("the component has {count} {what}, more than the {limit} that are admitted")]
    TooComplex {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        count: usize,
        /// The host's limit.
        limit: usize,
    },
    /// It is no component.
    #[error("the file is no WebAssembly component: {0}")]
    Malformed(String),
    /// It imports something that policies may not have.
    #[error("the component imports `{import}`: {why}")]
    Import {
        /// The import's name.
        import: String,
        /// Why it is refused.
        why: &'static str,
    },
    /// It does not export the contract.
    #[error("the component does not export `{wanted}`: build it against the world `mountgate:policy/policy`")]
    Export {
        /// The export wanted.
        wanted: &'static str,
    },
    /// It exports the contract in a version that the host does not speak.
    #[error(
        "the component exports version {found} of the contract; this gateway runs versions {supported}: build it against one of those"
    )]
    Contract {
        /// The version that it exports.
        found: String,
        /// The versions that are run.
        supported: String,
    },
    /// It does not compile, or its types are not the contract's.
    #[error("the component can't be used: {0}")]
    Unusable(String),
    /// `describe` failed.
    #[error("the component's `describe` failed: {0}")]
    Describe(#[source] PolicyError),
    /// What `describe` says does not hold.
    #[error("the component's manifest: {0}")]
    Manifest(String),
}

/// Why a policy gave no verdict that counts. Each is a deny, and none is ever cached.
///
/// Exhaustive on purpose: a new one must be handled wherever verdicts are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The component trapped.
    #[error("the policy trapped: {0}")]
    Trapped(String),
    /// It ran longer than its deadline.
    #[error("the policy ran longer than {0} ms")]
    TimedOut(u64),
    /// It wanted more memory, table space or instances than it may have.
    #[error("the policy wanted more memory than it may have: {0}")]
    Memory(String),
    /// It ran out of stack.
    #[error("the policy ran out of stack")]
    Stack,
    /// Its answer is larger than the host takes.
    #[error("the policy's answer is larger than {0} bytes")]
    Output(usize),
    /// Its verdict is not one.
    #[error("the policy's verdict is malformed: {0}")]
    Malformed(String),
    /// Its verdict names a place that the mount's ceiling or the request does not have.
    #[error("the policy's verdict reaches past the ceiling: {0}")]
    PastCeiling(String),
    /// The request names what the policy was not configured for: a fault of the gateway's, and a deny.
    #[error("the policy was not configured for `{0}`")]
    Unprepared(String),
    /// It said itself that it can't decide. The text is the policy's: for the operator's log only.
    #[error("the policy failed: {0}")]
    Failed(String),
    /// It refused the mount's settings.
    #[error("{0}")]
    Settings(String),
    /// All places for instances are taken.
    #[error("all places for policy instances are taken")]
    Overloaded,
    /// The host could not make an instance.
    #[error("no instance could be made: {0}")]
    Instance(String),
}

impl PolicyError {
    /// A short code for the ledger, metrics and the operator.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Trapped(_) => "policy_trapped",
            Self::TimedOut(_) => "policy_timed_out",
            Self::Memory(_) => "policy_memory",
            Self::Stack => "policy_stack",
            Self::Output(_) => "policy_output",
            Self::Malformed(_) => "policy_malformed",
            Self::PastCeiling(_) => "past_ceiling",
            Self::Unprepared(_) => "policy_unprepared",
            Self::Failed(_) => "policy_error",
            Self::Settings(_) => "policy_settings",
            Self::Overloaded => "policy_overloaded",
            Self::Instance(_) => "policy_instance",
        }
    }
}
