//! `mountgate:policy@0.1`.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "policy",
    ownership: Owning,
});
