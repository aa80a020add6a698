//! The README is true: its commands run in their order, its mount loads, its `curl`s get what it shows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use mountgate_tests::binary;

/// The code blocks of that language, in order.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string(Path::new(mountgate_tests::root()).parent().unwrap().join("README.md")).unwrap();
    let fence = format!("```{language}\n");
    readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Commands of a block, with what is continued on the next line in one.
fn commands(block: &str) -> Vec<String> {
    block.replace("\\\n", " ").lines().map(str::to_owned).filter(|line| !line.is_empty()).collect()
}

/// A folder with a small shop, in which the README's commands are run by a shell that finds the gateway.
struct Folder {
    folder: tempfile::TempDir,
    binary: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = rusqlite::Connection::open(folder.path().join("shop.db")).unwrap();
        database
            .execute_batch(
                "CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, name TEXT, email TEXT, iban TEXT);
                 CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer_id INTEGER, status TEXT, created_at TIMESTAMP, margin INTEGER);
                 INSERT INTO customers VALUES (41, 'Bo', 'bo@example.com', 'XX1'), (42, 'Ada', 'ada@example.com', 'XX2');
                 INSERT INTO orders VALUES (1016, 41, 'open', '2026-01-02T08:00:00', 1), (1017, 42, 'open', '2026-01-03T08:00:00', 2);",
            )
            .unwrap();
        Self { folder, binary: binary() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn shell(&self, command: &str, environment: &[(&str, &str)]) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(self.path())
            .env("PATH", format!("{}:{path}", self.binary.parent().unwrap().display()))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{command}` failed: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_readmes_commands_run_and_get_what_it_shows() {
    let folder = Folder::new();
    let shell = blocks("sh");
    let set_up: Vec<String> = commands(&shell[1]).into_iter().filter(|line| line.starts_with("mountgate ")).collect();
    assert!(set_up.len() >= 4 && set_up.last().unwrap() == "mountgate serve", "{set_up:?}");
    for command in &set_up[..set_up.len() - 1] {
        folder.shell(command, &[]);
    }

    // The README's mount in the place of the one that `init` wrote, open at any hour.
    let mount = &blocks("toml")[0];
    let mounts = folder.path().join("mounts");
    fs::write(mounts.join("example.toml"), mount).unwrap();
    assert!(folder.shell("mountgate check", &[]).contains("support"));
    let open: String =
        mount.lines().filter(|line| !line.starts_with("hours")).map(|line| format!("{line}\n")).collect();
    fs::write(mounts.join("example.toml"), open).unwrap();
    folder.shell("mountgate agent add support-bot", &[]);

    let mut asks = commands(&shell[2]).into_iter();
    let minter = folder.shell(&asks.next().unwrap(), &[]);
    let mut served = Command::new(&folder.binary)
        .args(["serve", "--data-port", "0", "--admin-port", "0", "--json"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Served)
        .unwrap();
    let (mut told, mut lines) = (String::new(), BufReader::new(served.0.stdout.take().unwrap()));
    while !told.trim_end().ends_with('}') {
        assert!(lines.read_line(&mut told).unwrap() > 0, "the gateway did not start: `{told}`");
    }
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let here = |command: String| {
        assert!(command.contains("http://127.0.0.1:7411"), "{command}");
        command.replace("http://127.0.0.1:7411", told["data_url"].as_str().unwrap())
    };
    let minted = folder.shell(&here(asks.next().unwrap()), &[("MINTER", minter.trim())]);
    let minted: serde_json::Value = serde_json::from_str(&minted).unwrap();
    let answer = folder.shell(&here(asks.next().unwrap()), &[("SESSION", minted["token"].as_str().unwrap())]);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let mut shown: serde_json::Value = serde_json::from_str(&blocks("json")[0]).unwrap();
    shown["decision_id"] = answer["decision_id"].clone();
    assert_eq!(answer, shown);
}
