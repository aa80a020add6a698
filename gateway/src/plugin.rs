//! Policies as their authors have them: a project, its cases, and what it takes to build, try and measure it.
//!
//! A project is a folder: `plugin.toml`, `cases/*.toml`, sources, and after a build `build/plugin.wasm`. Nothing here
//! decides what a policy may do: cases run on the host that serves, and what a verdict leaves of a ceiling is what
//! `core` says.

pub mod build;
pub mod capture;
pub mod cases;
pub mod new;
pub mod notation;
pub mod project;
