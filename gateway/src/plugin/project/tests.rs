use mountgate_policy::HostConfig;

use super::*;

fn load(text: &str) -> Result<Project, Problems> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(PROJECT_FILE), text).unwrap();
    Project::load(folder.path())
}

#[test]
fn a_project_says_what_it_makes() {
    let project =
        load("name = \"acme/support\"\nlanguage = \"js\"\nrelease = 3\n[limits]\nmemory = \"8MiB\"\ndecide = \"10ms\"")
            .unwrap();
    assert_eq!((project.name.as_str(), project.language, project.release), ("acme/support", Language::Js, 3));
    assert_eq!(project.limits, ProjectLimits { memory_bytes: Some(8 << 20), decide_ms: Some(10), output_bytes: None });
    for (text, says) in [
        ("name = \"support\"\nlanguage = \"rust\"\nrelease = 1", "has no publisher"),
        ("name = \"Acme/support\"\nlanguage = \"rust\"\nrelease = 1", "`a-z`"),
        ("name = \"acme/support\"\nlanguage = \"pyhton\"\nrelease = 1", "did you mean `python`?"),
        ("name = \"acme/support\"\nlanguage = \"c\"\nrelease = 0", "at least 1"),
        ("name = \"acme/support\"\nlanguage = \"c\"\nrelease = 1\nowner = 1", "unknown key `owner`"),
        ("name = \"acme/support\"\nlanguage = \"c\"", "`release` is missing"),
    ] {
        let why = load(text).expect_err(text).to_string();
        assert!(why.contains(says), "{text}: {why}");
    }
    let none = Project::load(Path::new("/nonexistent")).unwrap_err().to_string();
    assert!(none.contains("mountgate plugin new"), "{none}");
}

#[test]
fn a_plugins_own_limits_only_tighten_the_hosts() {
    let host = HostConfig::default();
    let wide = ProjectLimits { memory_bytes: Some(u64::MAX), decide_ms: Some(60_000), output_bytes: Some(u64::MAX) };
    let same = PluginLimits::from(wide).tighten(host.clone());
    assert_eq!(
        (same.max_memory, same.decide_deadline, same.max_output),
        (host.max_memory, host.decide_deadline, host.max_output)
    );
    let tight = ProjectLimits { memory_bytes: Some(1 << 20), decide_ms: Some(5), output_bytes: Some(100) };
    let tight = PluginLimits::from(tight).tighten(host);
    assert_eq!((tight.max_memory, tight.decide_deadline, tight.max_output), (1 << 20, Duration::from_millis(5), 100));
}
