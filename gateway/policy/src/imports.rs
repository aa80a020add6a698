//! What a component asks for, by name: for people who look at one, admitted or not.

use wasmparser::{Parser, Payload};

use crate::error::AdmissionError;

/// The names that the component imports, in its own order. The contract's types are no demand and left out.
///
/// # Errors
/// Where the bytes are no WebAssembly.
pub fn imports(bytes: &[u8]) -> Result<Vec<String>, AdmissionError> {
    let malformed = |error: wasmparser::BinaryReaderError| AdmissionError::Malformed(error.to_string());
    let mut depth = 0_usize;
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.starts_with("mountgate:policy/types@"));
    Ok(names)
}
