use super::*;
use crate::config::{MainFile, Problems};

fn load(text: &str) -> Result<MainFile, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mountgate.toml");
    let backend = "[backends.shop]\nkind = \"sqlite\"\npath = \"shop.db\"\n";
    std::fs::write(&path, format!("{backend}{text}")).unwrap();
    MainFile::load(&path)
}

#[test]
fn what_is_said_of_approvals_is_read_and_the_rest_refused() {
    assert_eq!(load("").unwrap().approvals, ApprovalsSection::default());
    let read = load("[approvals]\nexpires = \"4h\"\nundo = \"30d\"\nerase = \"1h\"\npending = 5\n").unwrap().approvals;
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let expected = ApprovalsSection { expires: hours(4), undo: hours(720), erase: hours(1), pending: 5 };
    assert_eq!(read, expected);
    for (bad, told) in [
        ("expire = \"4h\"", "did you mean `expires`?"),
        ("expires = \"5s\"", "too short for people"),
        ("expires = 4", "expires"),
        ("pending = 0", "pending"),
    ] {
        let problems = load(&format!("[approvals]\n{bad}\n")).unwrap_err().to_string();
        assert!(problems.contains(told), "{problems}");
    }
}

#[test]
fn webhooks_go_where_the_file_says_and_keep_their_secret() {
    let good = "[webhooks.desk]\nurl = \"http://127.0.0.1:9000/hooks\"\nsecret = { env = \"DESK\" }\n";
    let hooks = load(good).unwrap().webhooks;
    assert!(hooks["desk"].events.contains(&State::Pending) && hooks["desk"].events.contains(&State::Unknown));
    let some = load(&format!("{good}events = [\"executed\"]\n")).unwrap().webhooks;
    assert_eq!(some["desk"].events, [State::Executed]);
    for (bad, told) in [
        (good.replace("127.0.0.1", "hooks.example.com"), "beyond this machine"),
        (good.replace("http:", "https:"), "without TLS"),
        (good.replace("{ env = \"DESK\" }", "\"s3cret\""), "secrets are not written in the configuration"),
        (format!("{good}events = [\"pendin\"]\n"), "did you mean `pending`?"),
        (format!("{good}header = \"x\"\n"), "unknown key `header`"),
        ("[webhooks.desk]\nsecret = { env = \"DESK\" }\n".to_owned(), "`url` is missing"),
        ("[webhooks.desk]\nurl = \"http://127.0.0.1:9000/\"\n".to_owned(), "`secret` is missing"),
    ] {
        let problems = load(&bad).unwrap_err().to_string();
        assert!(problems.contains(told), "{problems}");
        assert!(!problems.contains("s3cret"), "{problems}");
    }
}
