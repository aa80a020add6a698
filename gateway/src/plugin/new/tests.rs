use super::*;
use crate::plugin::{cases::Case, project::Project};

const ALL: [Language; 4] = [Language::Rust, Language::Python, Language::Js, Language::C];

#[test]
fn a_new_project_is_whole_in_every_language() {
    for language in ALL {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("rows");
        let files = create(&"acme/rows.eu".into(), language, &place).unwrap();
        let project = Project::load(&place).unwrap_or_else(|why| panic!("{language:?}: {why}"));
        assert_eq!((project.name.as_str(), project.language, project.release), ("acme/rows.eu", language, 1));
        let cases = Case::load_dir(&project.cases()).unwrap_or_else(|why| panic!("{language:?}: {why}"));
        assert!(cases.len() >= 6, "{}", cases.len());
        assert!(files.contains(&"wit/v0.2/policy.wit".to_owned()), "{files:?}");
        for file in &files {
            let text = fs::read_to_string(place.join(file)).unwrap();
            // wit-bindgen's macros aside, nothing is left to fill in.
            let open = file.starts_with("sdk/") || !text.contains("{{");
            assert!(open, "{language:?}: {file} has a gap");
        }
        assert!(fs::read_to_string(place.join("README.md")).unwrap().lines().count() < 60);
        let again = create(&"acme/rows".into(), language, &place).unwrap_err().to_string();
        assert!(again.contains("is not empty"), "{again}");
    }
}

#[test]
fn the_sdk_comes_with_a_manifest_of_its_own() {
    let manifest: toml::Table = embedded::SDK_MANIFEST.parse().unwrap();
    assert_eq!(manifest["package"]["name"].as_str(), Some("mountgate-plugin-sdk"));
    assert!(!embedded::SDK_MANIFEST.contains("workspace"), "{}", embedded::SDK_MANIFEST);
    assert!(manifest["dependencies"]["wit-bindgen"]["version"].is_str());
    assert!(embedded::SDK.iter().any(|(path, _)| *path == "lib.rs"));
}
