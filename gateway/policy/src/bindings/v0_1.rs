//! `mountgate:policy@0.1`.

wasmtime::component::bindgen!({
    path: "../../wit/v0.1",
    world: "policy",
    ownership: Owning,
});
