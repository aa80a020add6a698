//! `mountgate:policy@0.2`. What a policy is asked with is borrowed: a decision copies no text but into its memory.

wasmtime::component::bindgen!({
    path: "../../wit/v0.2",
    world: "policy",
    ownership: Borrowing { duplicate_if_necessary: true },
});
