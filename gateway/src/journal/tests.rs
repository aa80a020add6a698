use mountgate_core::Digest;
use mountgate_mediate::{Begun, Entry, Journal as _, WriteReply, Written};

use super::FileJournal;

fn entry(key: &str, request: &str) -> Entry {
    Entry { key: Digest::of(key.as_bytes()), request: Digest::of(request.as_bytes()) }
}

fn reply() -> WriteReply {
    WriteReply::Written(Written { decision_id: "d".into(), rows: 1, columns: vec![], returned: vec![] })
}

#[tokio::test]
async fn a_key_is_for_one_request_and_one_answer_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(folder.path()).unwrap();
    let one = entry("k", "a");
    assert!(matches!(journal.begin(&one, 1).await.unwrap(), Begun::New));
    assert!(matches!(journal.begin(&one, 2).await.unwrap(), Begun::UnderWay));
    assert!(matches!(journal.begin(&entry("k", "b"), 2).await.unwrap(), Begun::Conflict));
    assert!(matches!(journal.begin(&entry("other", "b"), 2).await.unwrap(), Begun::New));
    journal.end(&one, Some(&reply())).await;
    drop(journal);
    let journal = FileJournal::open(folder.path()).unwrap();
    let Begun::Answered(again) = journal.begin(&one, 3).await.unwrap() else { panic!("it was answered") };
    assert_eq!(again, reply());
    // What the process before left under way is lost, and taken over once.
    let lost = entry("other", "b");
    assert!(matches!(journal.begin(&lost, 4).await.unwrap(), Begun::Lost));
    assert!(journal.retry(&lost, 5).await.unwrap());
    assert!(!journal.retry(&lost, 6).await.unwrap());
    assert!(matches!(journal.begin(&lost, 7).await.unwrap(), Begun::UnderWay));
    // Where nothing was written, it never was.
    journal.end(&lost, None).await;
    assert!(matches!(journal.begin(&entry("other", "c"), 8).await.unwrap(), Begun::New));
}

#[tokio::test]
async fn an_outcome_that_is_not_known_stays_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(folder.path()).unwrap();
    let one = entry("k", "a");
    assert!(matches!(journal.begin(&one, 1).await.unwrap(), Begun::New));
    journal.lose(&one).await;
    assert!(matches!(journal.begin(&one, 2).await.unwrap(), Begun::Lost));
    // Answers are not kept for ever.
    assert!(matches!(journal.begin(&one, 8 * 24 * 3600 * 1000).await.unwrap(), Begun::New));
}
