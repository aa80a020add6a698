//! The contract, generated from `wit/v0.2`.

wit_bindgen::generate!({
    path: "../wit/v0.2",
    world: "policy",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "mountgate_plugin_sdk::bindings",
    generate_unused_types: true,
    additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
    additional_derives_ignore: ["uses", "column-touch", "relation-touch", "touch", "request"],
});
