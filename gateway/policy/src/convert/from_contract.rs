//! What every version of the contract reads alike.

/// Functions that read a version's values: expands where `wit` names the version's types, as results have them.
macro_rules! from_contract {
    () => {
        fn value_from(value: wit::Value) -> core::Value {
            use core::Value as V;
            match value {
                wit::Value::Null => V::Null,
                wit::Value::Boolean(b) => V::Boolean(b),
                wit::Value::Integer(i) => V::Integer(i),
                wit::Value::Float(f) => V::Float(f),
                wit::Value::Decimal(t) => V::Decimal(t),
                wit::Value::Text(t) => V::Text(t),
                wit::Value::Bytes(b) => V::Bytes(b),
                wit::Value::Date(t) => V::Date(t),
                wit::Value::Time(t) => V::Time(t),
                wit::Value::Timestamp(t) => V::Timestamp(t),
                wit::Value::Timestamptz(t) => V::TimestampTz(t),
                wit::Value::Interval(t) => V::Interval(t),
                wit::Value::Uuid(t) => V::Uuid(t),
                wit::Value::Json(t) => V::Json(t),
            }
        }

        fn op_from(op: wit::CompareOp) -> core::CompareOp {
            match op {
                wit::CompareOp::Eq => core::CompareOp::Eq,
                wit::CompareOp::Ne => core::CompareOp::Ne,
                wit::CompareOp::Lt => core::CompareOp::Lt,
                wit::CompareOp::Le => core::CompareOp::Le,
                wit::CompareOp::Gt => core::CompareOp::Gt,
                wit::CompareOp::Ge => core::CompareOp::Ge,
            }
        }

        fn op_to(op: core::CompareOp) -> wit::CompareOp {
            match op {
                core::CompareOp::Eq => wit::CompareOp::Eq,
                core::CompareOp::Ne => wit::CompareOp::Ne,
                core::CompareOp::Lt => wit::CompareOp::Lt,
                core::CompareOp::Le => wit::CompareOp::Le,
                core::CompareOp::Gt => wit::CompareOp::Gt,
                core::CompareOp::Ge => wit::CompareOp::Ge,
            }
        }

        fn date_part_to(part: core::DatePart) -> wit::DatePart {
            match part {
                core::DatePart::Year => wit::DatePart::Year,
                core::DatePart::Quarter => wit::DatePart::Quarter,
                core::DatePart::Month => wit::DatePart::Month,
                core::DatePart::Day => wit::DatePart::Day,
                core::DatePart::Hour => wit::DatePart::Hour,
            }
        }

        fn verb_to(verb: core::Verb) -> wit::Verb {
            match verb {
                core::Verb::Read => wit::Verb::Read,
                core::Verb::Insert => wit::Verb::Insert,
                core::Verb::Update => wit::Verb::Update,
                core::Verb::Delete => wit::Verb::Delete,
            }
        }

        fn uses_to(uses: core::Uses) -> wit::Uses {
            uses.iter().fold(wit::Uses::empty(), |flags, one| {
                flags
                    | match one {
                        core::Use::Projected => wit::Uses::PROJECTED,
                        core::Use::Filtered => wit::Uses::FILTERED,
                        core::Use::Joined => wit::Uses::JOINED,
                        core::Use::Grouped => wit::Uses::GROUPED,
                        core::Use::Ordered => wit::Uses::ORDERED,
                        core::Use::Aggregated => wit::Uses::AGGREGATED,
                        core::Use::Assigned => wit::Uses::ASSIGNED,
                    }
            })
        }

        /// Shape is checked by [`core::Filter::new`]; columns and types by `Scope::narrow`.
        fn filter_from(nodes: Vec<wit::Node>) -> Result<core::Filter, core::filter::FilterError> {
            // Before anything is made of them: a list of a million nodes is refused by its length alone.
            if nodes.len() > core::filter::MAX_NODES {
                return Err(core::filter::FilterError::TooLarge(nodes.len()));
            }
            let nodes = nodes
                .into_iter()
                .map(|node| match node {
                    wit::Node::Literal(value) => core::Node::Literal(value_from(value)),
                    wit::Node::Claim(name) => core::Node::Claim(name.into()),
                    wit::Node::Column(name) => core::Node::Column(name.into()),
                    wit::Node::Always(truth) => core::Node::Always(truth),
                    wit::Node::Compare(wit::Comparison { op, left, right }) => {
                        core::Node::Compare { op: op_from(op), left, right }
                    }
                    wit::Node::InList(wit::Membership { needle, options }) => core::Node::In { needle, list: options },
                    wit::Node::IsNull(child) => core::Node::IsNull(child),
                    wit::Node::Negated(child) => core::Node::Not(child),
                    wit::Node::AllOf(children) => core::Node::And(children),
                    wit::Node::AnyOf(children) => core::Node::Or(children),
                })
                .collect();
            core::Filter::new(nodes)
        }

        /// Whether it fits its column is checked by `Scope::narrow`.
        fn mask_from(mask: wit::Mask) -> core::Mask {
            match mask {
                wit::Mask::Null => core::Mask::Null,
                wit::Mask::Fixed(value) => core::Mask::Fixed(value_from(value)),
                wit::Mask::Partial(wit::Partial { first, last, fill }) => core::Mask::Partial { first, last, fill },
                wit::Mask::Hash => core::Mask::Hash,
                wit::Mask::Truncate(part) => core::Mask::Truncate(match part {
                    wit::DatePart::Year => core::DatePart::Year,
                    wit::DatePart::Quarter => core::DatePart::Quarter,
                    wit::DatePart::Month => core::DatePart::Month,
                    wit::DatePart::Day => core::DatePart::Day,
                    wit::DatePart::Hour => core::DatePart::Hour,
                }),
                wit::Mask::Round(digits) => core::Mask::Round { digits },
                wit::Mask::Bucket(width) => core::Mask::Bucket { width },
            }
        }

        fn limits_from(limits: wit::Limits) -> Result<core::Limits, String> {
            let rates = |name: &str, rates: Vec<wit::Rate>| {
                at_most(MAX_RATES, rates.len(), || format!("limits: {} rates of {name}", rates.len()))?;
                rates.into_iter().map(|one| rate(name, one.amount, one.window_ms)).collect::<Result<Vec<_>, _>>()
            };
            Ok(core::Limits {
                requests: rates("requests", limits.requests)?,
                rows: rates("rows", limits.rows)?,
                bytes: rates("bytes", limits.bytes)?,
                max_rows: cap("max-rows", limits.max_rows)?,
                max_bytes: cap("max-bytes", limits.max_bytes)?,
                timeout_ms: cap("timeout-ms", limits.timeout_ms)?,
                concurrency: limits.concurrency,
                // The contract has no word for it: the mount's own hold, whatever the verdict says.
                distinct: vec![],
            })
        }

        /// Takes the verdict for what it says, or says what is wrong with it. `grant` reads what is granted.
        fn read_verdict(
            verdict: wit::Verdict,
            grant: impl FnOnce(wit::Grant) -> Result<core::Grant, PolicyError>,
        ) -> Result<core::Verdict, PolicyError> {
            let malformed = PolicyError::Malformed;
            Ok(match verdict {
                wit::Verdict::Deny(denial) => core::Verdict::Deny {
                    code: denial_code(denial.code).map_err(malformed)?,
                    reason: text("reason", denial.reason).map_err(malformed)?,
                    hint: denial.hint.map(|hint| text("hint", hint)).transpose().map_err(malformed)?,
                },
                wit::Verdict::Allow(allowance) => core::Verdict::Allow {
                    grant: grant(allowance.grant)?,
                    limits: limits_from(allowance.limits).map_err(malformed)?,
                    valid_for_ms: milliseconds("valid-for-ms", allowance.valid_for_ms).map_err(malformed)?,
                },
                wit::Verdict::Hold(holding) => core::Verdict::Hold {
                    grant: grant(holding.grant)?,
                    reason: text("reason", holding.reason).map_err(malformed)?,
                    expires_ms: milliseconds("expires-ms", holding.expires_ms).map_err(malformed)?,
                },
            })
        }

        fn masks_from(relation: &str, column: &str, masks: Vec<wit::Mask>) -> Result<Vec<core::Mask>, PolicyError> {
            at_most(MAX_MASKS, masks.len(), || format!("`{relation}`.`{column}` has {} masks", masks.len()))
                .map_err(PolicyError::Malformed)?;
            Ok(masks.into_iter().map(mask_from).collect())
        }

        fn named_filter_from(
            relation: &str,
            filter: Option<Vec<wit::Node>>,
        ) -> Result<Option<core::Filter>, PolicyError> {
            let filter = filter.map(filter_from).transpose();
            filter.map_err(|error| PolicyError::Malformed(format!("the filter of `{relation}`: {error}")))
        }
    };
}
