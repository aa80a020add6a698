//! Policies in every language, with their real toolchains: each page of `docs/plugins` is walked as it is written, from a
//! clean folder, with the binary alone; the small policy that it makes gives the same verdicts whatever the language; and the
//! examples in `plugins/` meet their cases.
//!
//! `cargo xtask test` runs these; `MOUNTGATE_TEST_BINARY` names the binary, `MOUNTGATE_CACHE` where toolchains are kept.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value as Json;

const PAGES: [&str; 4] = ["rust", "python", "javascript", "c"];
const EXAMPLES: [&str; 4] = ["business-hours", "regional", "minimal", "cedar"];

fn binary() -> PathBuf {
    let named = env::var_os("MOUNTGATE_TEST_BINARY").map(PathBuf::from);
    fs::canonicalize(named.unwrap_or_else(|| env!("CARGO_BIN_EXE_mountgate").into())).unwrap()
}

fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}

/// The commands of a page: its blocks of shell, one after another.
fn commands(page: &str) -> String {
    let text = fs::read_to_string(root().join(format!("docs/plugins/{page}.md"))).unwrap();
    let mut commands = String::new();
    for block in text.split("```sh\n").skip(1) {
        commands.push_str(block.split("```").next().unwrap());
    }
    assert!(commands.contains("plugin new") && commands.contains("plugin test"), "{page}: {commands}");
    commands
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Walks a page in a folder of its own, and returns the project that it made.
fn walk(page: &str, folder: &Path) -> PathBuf {
    let path = env::join_paths(
        std::iter::once(binary().parent().unwrap().to_owned()).chain(env::split_paths(&env::var_os("PATH").unwrap())),
    );
    let walked = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &commands(page)])
        .current_dir(folder)
        .env("PATH", path.unwrap())
        .output()
        .unwrap();
    let text = told(&walked);
    assert!(walked.status.success(), "{page}: {text}");
    // The page's own promises: its cases pass, and the gateway has taken the component.
    assert!(text.contains("0 failed") && text.contains("is in force"), "{page}: {text}");
    assert!(text.contains("mountgate:policy@0.2.0"), "{page}: {text}");
    // Signed, published, and in force from the repository alone.
    assert!(text.contains("published acme/rows, release 1"), "{page}: {text}");
    assert!(text.contains("`acme/rows` runs as it is signed in"), "{page}: {text}");
    folder.join("rows")
}

/// How a built project's cases go, by name.
fn outcomes(project: &Path, build: bool) -> Vec<Json> {
    let mut test = Command::new(binary());
    test.args(["--json", "plugin", "test", "--project"]).arg(project);
    if !build {
        test.arg("--no-build");
    }
    let done = test.output().unwrap();
    let text = told(&done);
    assert!(done.status.success(), "{}: {text}", project.display());
    let told: Json = serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(told["failed"], 0, "{text}");
    told["cases"].as_array().unwrap().clone()
}

/// What a policy answered, as far as it must not depend on its language: not its own words for settings that it refuses.
fn answer(outcome: &Json) -> (String, Json) {
    let mut answer = outcome["answer"].clone();
    if let Some(fault) = answer.get_mut("fault") {
        fault["text"] = Json::Null;
    }
    // A grant may repeat the ceiling or leave it out: what it leaves in scope is what counts.
    for part in ["allow", "hold"] {
        if let Some(allow) = answer.pointer_mut(&format!("/verdict/verdict/{part}")) {
            allow["grant"] = Json::Null;
        }
    }
    (outcome["case"].as_str().unwrap().to_owned(), answer)
}

#[test]
#[ignore = "installs toolchains: `cargo xtask test`"]
fn each_page_holds_and_one_policy_answers_alike_in_every_language() {
    let folders: Vec<_> = PAGES.iter().map(|_| tempfile::tempdir().unwrap()).collect();
    let mut first: Option<Vec<(String, Json)>> = None;
    for (page, folder) in PAGES.iter().zip(&folders) {
        let project = walk(page, folder.path());
        let answers: Vec<(String, Json)> = outcomes(&project, false).iter().map(answer).collect();
        assert!(answers.len() >= 6, "{page}: {}", answers.len());
        match &first {
            Some(first) => assert_eq!(&answers, first, "{page} answers otherwise than {}", PAGES[0]),
            None => first = Some(answers),
        }
    }
    let scoped =
        first.unwrap().iter().filter(|(_, answer)| answer.pointer("/verdict/scope/relations").is_some()).count();
    assert!(scoped >= 3, "only {scoped} answers have a scope to compare");
}

#[test]
#[ignore = "installs toolchains: `cargo xtask test`"]
fn the_examples_meet_their_cases() {
    for name in EXAMPLES {
        let cases = outcomes(&root().join("plugins").join(name), true);
        assert!(cases.len() >= 4, "{name}: {}", cases.len());
    }
}
