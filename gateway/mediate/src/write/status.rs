//! Asking after a write that waits.

use mountgate_core::{Code, Refusal};

use super::{HoldId, HoldStatus};
use crate::{Entered, Gateway, Refused};

impl Gateway {
    /// Where a write of the caller's stands that waits for approval, or waited.
    ///
    /// # Errors
    /// One refusal for a write that there isn't and for one that is another's.
    pub async fn write_status(&self, entered: &Entered, id: &HoldId) -> Result<HoldStatus, Refused> {
        let none = || Refusal::new(Code::HoldNotFound, "there is no such write, or it is not yours");
        let holds = self.holds().ok_or_else(none)?;
        let told = holds.status(entered.caller(), id).await;
        told.map_err(|refusal| {
            self.metrics_registry().refused(entered.door(), refusal.code);
            refusal.into()
        })
    }
}
