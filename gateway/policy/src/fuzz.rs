//! An entry for fuzzers: any bytes become a verdict as a component could give it, and the host's reading of it must
//! neither panic nor take what its bounds forbid.

use mountgate_core::{Grant, Verdict, filter::MAX_NODES};

use crate::{
    bindings::v0_1::mountgate::policy::types as wit,
    convert::{MAX_REASON, v0_1::verdict_from},
};

/// Reads the bytes as a component's verdict, and gives what the host takes it for; nothing where it is refused.
///
/// # Panics
/// Where what was taken breaks a bound: what a fuzzer looks for.
#[expect(clippy::panic, reason = "a finding of the fuzzer's")]
pub fn fuzz_verdict(data: &[u8]) -> Option<Verdict> {
    let verdict = verdict_from(Bytes(data).verdict()).ok()?;
    let (texts, grant): (Vec<&String>, _) = match &verdict {
        Verdict::Deny { code, reason, hint } => ([code, reason].into_iter().chain(hint).collect(), None),
        Verdict::Allow { grant, .. } => (vec![], Some(grant)),
        Verdict::Hold { grant, reason, .. } => (vec![reason], Some(grant)),
    };
    for text in texts {
        if text.len() > MAX_REASON || text.chars().any(char::is_control) {
            panic!("a text of {} bytes, or with a control character, is taken: {text:?}", text.len());
        }
    }
    if let Some(Grant::Narrowed(relations)) = grant {
        for filter in relations.values().filter_map(|relation| relation.filter.as_ref()) {
            // A child stands before its parent: what reads filters relies on it to end.
            let again = mountgate_core::Filter::new(filter.nodes().to_vec());
            if filter.nodes().len() > MAX_NODES || again.as_ref() != Ok(filter) {
                panic!("a filter that is none is taken: {filter:?}");
            }
        }
    }
    Some(verdict)
}

/// What is left of the bytes. Where they end, everything is zero, empty or absent.
struct Bytes<'a>(&'a [u8]);

/// Names that a ceiling may have, so that some verdicts fit one.
const NAMES: [&str; 12] =
    ["emp", "dept", "id", "name", "email", "hired", "salary", "tenant", "title", "", "no\nsuch", "Emp"];

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn below(&mut self, most: u8) -> u8 {
        self.byte() % most
    }

    fn number(&mut self) -> i64 {
        match self.below(8) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => -1,
            3 => i64::from(self.byte()) << 32,
            _ => i64::from(self.byte()),
        }
    }

    fn small(&mut self) -> u32 {
        match self.below(16) {
            0 => u32::MAX,
            _ => u32::from(self.byte() % 32),
        }
    }

    fn text(&mut self) -> String {
        match self.below(8) {
            0 => {
                let length = usize::from(self.byte());
                let (text, rest) = self.0.split_at(length.min(self.0.len()));
                self.0 = rest;
                String::from_utf8_lossy(text).into_owned()
            }
            1 => "x".repeat(usize::from(self.byte()) * 8),
            _ => NAMES.get(usize::from(self.byte()) % NAMES.len()).map(|name| (*name).to_owned()).unwrap_or_default(),
        }
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 1).then(|| make(self))
    }

    /// As many as a byte says; more than there are bytes only where they are large.
    fn list<T>(&mut self, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        let count = match self.byte() {
            255 => 700,
            count => usize::from(count % 20),
        };
        (0..count).map(|_| make(self)).collect()
    }

    fn value(&mut self) -> wit::Value {
        match self.below(14) {
            0 => wit::Value::Null,
            1 => wit::Value::Boolean(self.below(2) == 1),
            2 => wit::Value::Integer(self.number()),
            3 => wit::Value::Float(f64::from_bits(self.number().cast_unsigned())),
            4 => wit::Value::Decimal(self.text()),
            5 => wit::Value::Text(self.text()),
            6 => wit::Value::Bytes(self.list(Self::byte)),
            7 => wit::Value::Date(self.text()),
            8 => wit::Value::Time(self.text()),
            9 => wit::Value::Timestamp(self.text()),
            10 => wit::Value::Timestamptz(self.text()),
            11 => wit::Value::Interval(self.text()),
            12 => wit::Value::Uuid(self.text()),
            _ => wit::Value::Json(self.text()),
        }
    }

    fn node(&mut self) -> wit::Node {
        let op = match self.below(6) {
            0 => wit::CompareOp::Eq,
            1 => wit::CompareOp::Ne,
            2 => wit::CompareOp::Lt,
            3 => wit::CompareOp::Le,
            4 => wit::CompareOp::Gt,
            _ => wit::CompareOp::Ge,
        };
        match self.below(10) {
            0 => wit::Node::Literal(self.value()),
            1 => wit::Node::Claim(self.text()),
            2 => wit::Node::Column(self.text()),
            3 => wit::Node::Always(self.below(2) == 1),
            4 => wit::Node::Compare(wit::Comparison { op, left: self.small(), right: self.small() }),
            5 => wit::Node::InList(wit::Membership { needle: self.small(), options: self.list(Self::small) }),
            6 => wit::Node::IsNull(self.small()),
            7 => wit::Node::Negated(self.small()),
            8 => wit::Node::AllOf(self.list(Self::small)),
            _ => wit::Node::AnyOf(self.list(Self::small)),
        }
    }

    fn mask(&mut self) -> wit::Mask {
        match self.below(7) {
            0 => wit::Mask::Null,
            1 => wit::Mask::Fixed(self.value()),
            2 => wit::Mask::Partial(wit::Partial { first: self.small(), last: self.small(), fill: self.text() }),
            3 => wit::Mask::Hash,
            4 => wit::Mask::Truncate(match self.below(5) {
                0 => wit::DatePart::Year,
                1 => wit::DatePart::Quarter,
                2 => wit::DatePart::Month,
                3 => wit::DatePart::Day,
                _ => wit::DatePart::Hour,
            }),
            5 => wit::Mask::Round(i32::from(self.byte()) - 128),
            _ => wit::Mask::Bucket(self.number()),
        }
    }

    fn grant(&mut self) -> wit::Grant {
        if self.below(8) == 0 {
            return wit::Grant::Ceiling;
        }
        wit::Grant::Narrowed(self.list(|bytes| wit::RelationGrant {
            name: bytes.text(),
            columns: bytes.list(|bytes| wit::ColumnGrant { name: bytes.text(), masks: bytes.list(Self::mask) }),
            filter: bytes.maybe(|bytes| bytes.list(Self::node)),
        }))
    }

    fn limits(&mut self) -> wit::Limits {
        let rate = |bytes: &mut Self| wit::Rate { amount: bytes.number(), window_ms: bytes.number() };
        wit::Limits {
            requests: self.list(rate),
            rows: self.list(rate),
            bytes: self.list(rate),
            max_rows: self.maybe(Self::number),
            max_bytes: self.maybe(Self::number),
            timeout_ms: self.maybe(Self::number),
            concurrency: self.maybe(Self::small),
        }
    }

    fn verdict(&mut self) -> wit::Verdict {
        match self.below(4) {
            0 => {
                wit::Verdict::Deny(wit::Denial { code: self.text(), reason: self.text(), hint: self.maybe(Self::text) })
            }
            1 => wit::Verdict::Hold(wit::Holding {
                grant: self.grant(),
                reason: self.text(),
                expires_ms: self.maybe(Self::number),
            }),
            _ => wit::Verdict::Allow(wit::Allowance {
                grant: self.grant(),
                limits: self.limits(),
                valid_for_ms: self.maybe(Self::number),
            }),
        }
    }
}
