//! Permissions that are for a time: a mount that is open for observation, and the day by which a person looks at one again.

use serde::Serialize;

use crate::MountName;

/// A day, as it was written, and the moment at which it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastDay {
    /// `2027-03-31`.
    pub day: String,
    /// The first moment after it, in milliseconds since 1970-01-01T00:00Z.
    pub end_ms: i64,
}

impl LastDay {
    /// Whether it is over at that moment (milliseconds since 1970-01-01T00:00Z).
    pub fn is_over(&self, now_ms: i64) -> bool {
        now_ms >= self.end_ms
    }
}

/// What is for a time about a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Practice {
    /// Until when the mount is open for observation: it answers within a broad ceiling so that what is used can be learned.
    /// After that it does not serve.
    pub observe: Option<LastDay>,
    /// By when a person reviews it.
    pub review: Option<LastDay>,
}

impl Practice {
    /// What an operator should know of it at that moment.
    pub fn notices(&self, mount: &MountName, now_ms: i64) -> Vec<String> {
        let observe = self.observe.as_ref().map(|last| {
            let day = &last.day;
            if last.is_over(now_ms) {
                format!(
                    "mount `{mount}` was open for observation until the end of {day}, and does not serve any more: put in force what `mountgate suggest` learned"
                )
            } else {
                format!("mount `{mount}` is open for observation until the end of {day}: it answers within all that it shows")
            }
        });
        let review = self.review.as_ref().filter(|last| last.is_over(now_ms)).map(|last| {
            format!(
                "mount `{mount}` was to be reviewed by {}: `mountgate review --unused 60d --mount {mount}`, then set the next day in its file",
                last.day
            )
        });
        observe.into_iter().chain(review).collect()
    }

    /// Whether its review is overdue at that moment.
    pub fn is_overdue(&self, now_ms: i64) -> bool {
        self.review.as_ref().is_some_and(|last| last.is_over(now_ms))
    }
}
