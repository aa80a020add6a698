//! Documents made from the code, so that they say what it does.

use std::fmt::Write as _;

use mountgate_core::{Code, refusal::Kind};

/// `docs/errors.md`: every code, from the table that the gateway answers from.
pub fn errors_markdown() -> String {
    let mut out = String::from(
        "# Errors\n\n\
         <!-- Made from the table of codes in `gateway/core/src/refusal.rs`; a test compares. Do not edit. -->\n\n\
         A request that is not answered is refused, in the encoding that it asked for (JSON, or MessagePack):\n\n\
         ```json\n\
         {\"error\": {\"code\": \"not_in_scope\", \"message\": \"…\", \"hint\": \"…\", \"decision_id\": \"…\", \"retry_after\": null}}\n\
         ```\n\n\
         - `code`: one of the table below. New ones may be added; go by the status where a code is not known.\n\
         - `message`: what was refused and why, in terms of what the agent may see.\n\
         - `hint`: what to do instead, or null.\n\
         - `decision_id`: under which the ledger has it, also in the header `X-Mountgate-Decision`; null where the caller\n  \
           was not authenticated or the request did not get as far as a decision.\n\
         - `retry_after`: after how many seconds asking again may help, also in the header `Retry-After`; else null.\n\n\
         An answer that breaks off after its first bytes have left has status 200, and says so at its end: `\"error\": {…},\n\
         \"complete\": false` in the place of `\"complete\": true` (in NDJSON: in its last line). An answer without\n\
         `\"complete\": true` is not whole, whatever else it says.\n\n\
         Two answers have no body, for they are made before a request is understood: 431, where its headers are larger\n\
         than allowed, and 400, where it is not HTTP. A client that is too slow to send its headers has its connection\n\
         closed.\n\n\
         | status | code | whose doing | meaning |\n\
         | --- | --- | --- | --- |\n",
    );
    for code in Code::ALL {
        let _ = writeln!(out, "| {} | `{code}` | {} | {} |", code.status(), whose(code.kind()), code.meaning().trim());
    }
    out.push_str(
        "\nWhose doing: *agent*: ask differently. *policy*: the policy said no, or failed. *backend*: the store; asking \
         again\nmay help. *gateway*: Mountgate itself; tell the operator the decision id.\n",
    );
    out
}

fn whose(kind: Kind) -> &'static str {
    match kind {
        Kind::Agent => "agent",
        Kind::Policy => "policy",
        Kind::Backend => "backend",
        Kind::Gateway => "gateway",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `MOUNTGATE_BLESS=1 cargo test -p mountgate-doors docs` writes the file anew.
    #[test]
    fn the_committed_document_is_the_one_that_the_code_makes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
        if std::env::var_os("MOUNTGATE_BLESS").is_some() {
            std::fs::write(path, errors_markdown()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), errors_markdown(), "docs/errors.md is out of date");
    }

    #[test]
    fn every_code_is_documented_once() {
        let text = errors_markdown();
        for code in Code::ALL {
            assert_eq!(text.matches(&format!("| `{code}` |")).count(), 1, "{code}");
            assert!((400..600).contains(&code.status()), "{code}");
        }
    }
}
