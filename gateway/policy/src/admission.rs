//! Reading a component before anything of it is compiled or run: its size, its imports, its exports.

mod unfolded;

use wasmparser::{Encoding, Parser, Payload};

use self::unfolded::Unfolded;
use crate::{config::HostConfig, contract::Contract, error::AdmissionError};

/// The interface that a policy exports.
const EXPORT: &str = "mountgate:policy/decisions";
/// The contract's types: an import without functions, there to give them a name.
const TYPES: &str = "mountgate:policy/types";
/// Core modules and components inside a component. Python's runtime has a few dozen.
const MAX_PARTS: usize = 200;
/// How deep components may nest.
const MAX_DEPTH: usize = 8;

/// WASI interfaces that languages' runtimes import. Each is answered emptily and deterministically.
const ALLOWED: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// What was read of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// The version of the contract that it exports: the newest of those that are run.
    pub(crate) contract: Contract,
    /// Whether it imports WASI.
    pub(crate) wasi: bool,
}

/// Reads the component.
///
/// # Errors
/// The first thing that keeps it out.
pub(crate) fn read(bytes: &[u8], config: &HostConfig) -> Result<Read, AdmissionError> {
    if bytes.len() > config.max_component {
        return Err(AdmissionError::TooLarge { size: bytes.len(), limit: config.max_component });
    }
    let malformed = |error: wasmparser::BinaryReaderError| AdmissionError::Malformed(error.to_string());
    let mut wasi = false;
    let mut contract: Option<Contract> = None;
    let mut other: Option<String> = None;
    let mut depth = 0_usize;
    let mut parts = Count { what: "modules and components", count: 0, limit: MAX_PARTS };
    let mut functions = Count { what: "functions", count: 0, limit: config.max_functions };
    let mut unfolded = Unfolded::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(malformed)?;
        unfolded.read(&payload)?;
        match payload {
            Payload::Version { encoding, .. } => {
                parts.add(1)?;
                if depth == 0 && parts.count == 1 && encoding == Encoding::Module {
                    return Err(AdmissionError::Malformed("it is a core module; wrap it as a component".into()));
                }
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(AdmissionError::TooComplex { what: "levels", count: depth, limit: MAX_DEPTH });
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            // Every section that makes work at compilation or instantiation counts.
            Payload::FunctionSection(section) => functions.add(section.count())?,
            Payload::ImportSection(section) => functions.add(section.count())?,
            Payload::InstanceSection(section) => functions.add(section.count())?,
            Payload::ComponentInstanceSection(section) => functions.add(section.count())?,
            Payload::ComponentAliasSection(section) => functions.add(section.count())?,
            Payload::ComponentTypeSection(section) => functions.add(section.count())?,
            Payload::CoreTypeSection(section) => functions.add(section.count())?,
            Payload::ComponentCanonicalSection(section) => functions.add(section.count())?,
            // Compiling takes more than its size's share of time and memory where one function is huge.
            Payload::CodeSectionEntry(body) if body.range().len() > config.max_function => {
                let (count, limit) = (body.range().len(), config.max_function);
                return Err(AdmissionError::TooComplex { what: "bytes in one function", count, limit });
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    wasi |= admit(import.map_err(malformed)?.name.name)?;
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let name = export.map_err(malformed)?.name.name;
                    match name.split_once('@') {
                        Some((EXPORT, version)) => match Contract::of(version) {
                            Some(found) => contract = contract.max(Some(found)),
                            None => other = Some(version.to_owned()),
                        },
                        None if name == EXPORT => other = Some("none".to_owned()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    match (contract, other) {
        (Some(contract), _) => Ok(Read { contract, wasi }),
        (None, Some(found)) => {
            Err(AdmissionError::Contract { found, supported: Contract::ALL.map(Contract::version).join(" and ") })
        }
        (None, None) => Err(AdmissionError::Export { wanted: "mountgate:policy/decisions" }),
    }
}

/// Whether the import is WASI's, where it is admitted at all.
fn admit(import: &str) -> Result<bool, AdmissionError> {
    let refuse = |why| Err(AdmissionError::Import { import: import.to_owned(), why });
    if let Some((TYPES, version)) = import.split_once('@') {
        return if Contract::of(version).is_some() { Ok(false) } else { refuse("no such version of the contract") };
    }
    if import.starts_with("wasi:sockets/") || import.starts_with("wasi:http/") {
        return refuse("policies have no network");
    }
    match import.split_once('@') {
        Some((interface, version)) if ALLOWED.contains(&interface) => {
            if version.starts_with("0.2.") {
                Ok(true)
            } else {
                refuse("only version 0.2 of WASI is answered")
            }
        }
        _ => refuse("a policy may import nothing, or WASI's cli, clocks, random, io and filesystem interfaces"),
    }
}

struct Count {
    what: &'static str,
    count: usize,
    limit: usize,
}

impl Count {
    fn add(&mut self, more: u32) -> Result<(), AdmissionError> {
        self.count = self.count.saturating_add(more as usize);
        if self.count > self.limit {
            return Err(AdmissionError::TooComplex { what: self.what, count: self.count, limit: self.limit });
        }
        Ok(())
    }
}
