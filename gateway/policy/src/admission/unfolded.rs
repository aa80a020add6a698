//! How many instances a component unfolds into. Components nest by reference: twenty of them, each instantiated twice by
//! the next, are a file of a few hundred bytes and a million instances to compile.

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Encoding, Instance, Payload,
};

use crate::error::AdmissionError;

/// Instances, all told. Python's runtime has a few dozen.
const MAX_UNFOLDED: u64 = 1_000;

/// A component, or a core module, while it is read.
#[derive(Default)]
struct Frame {
    is_component: bool,
    /// What each component of its index space unfolds into.
    components: Vec<u64>,
    /// What it unfolds into itself.
    unfolds: u64,
}

/// The count, fed with what the parser finds.
#[derive(Default)]
pub(super) struct Unfolded {
    frames: Vec<Frame>,
}

impl Unfolded {
    /// # Errors
    /// Where there are too many instances, or where how many there are can't be known.
    pub(super) fn read(&mut self, payload: &Payload<'_>) -> Result<(), AdmissionError> {
        let malformed = |error: BinaryReaderError| AdmissionError::Malformed(error.to_string());
        match payload {
            Payload::Version { encoding, .. } => {
                self.frames.push(Frame { is_component: *encoding == Encoding::Component, ..Frame::default() });
            }
            Payload::End(_) => {
                if let Some(Frame { is_component: true, unfolds, .. }) = self.frames.pop()
                    && let Some(outer) = self.frames.last_mut()
                {
                    outer.components.push(unfolds);
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if let Instance::Instantiate { .. } = instance.map_err(malformed)? {
                        self.add(1)?;
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance.map_err(malformed)? {
                        let of = self.component(0, component_index)?;
                        self.add(of.saturating_add(1))?;
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    match alias.map_err(malformed)? {
                        ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                            let of = self.component(count, index)?;
                            self.push(of);
                        }
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                            return Err(passed_on());
                        }
                        ComponentAlias::Outer { .. }
                        | ComponentAlias::InstanceExport { .. }
                        | ComponentAlias::CoreInstanceExport { .. } => {}
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    if let ComponentTypeRef::Component(_) = import.map_err(malformed)?.ty {
                        return Err(passed_on());
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export.map_err(malformed)?;
                    if export.kind == ComponentExternalKind::Component {
                        // An export is one more name, and one more index, for the same.
                        let of = self.component(0, export.index)?;
                        self.push(of);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn component(&self, outward: u32, index: u32) -> Result<u64, AdmissionError> {
        let frame = usize::try_from(outward).ok().and_then(|outward| self.frames.iter().rev().nth(outward));
        let found = usize::try_from(index).ok().and_then(|index| frame?.components.get(index).copied());
        found.ok_or_else(|| AdmissionError::Malformed(format!("it has no component {index} there")))
    }

    fn push(&mut self, unfolds: u64) {
        if let Some(frame) = self.frames.last_mut() {
            frame.components.push(unfolds);
        }
    }

    fn add(&mut self, instances: u64) -> Result<(), AdmissionError> {
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        frame.unfolds = frame.unfolds.saturating_add(instances);
        if frame.unfolds > MAX_UNFOLDED {
            let count = usize::try_from(frame.unfolds).unwrap_or(usize::MAX);
            return Err(AdmissionError::TooComplex { what: "instances", count, limit: MAX_UNFOLDED as usize });
        }
        Ok(())
    }
}

/// What a component that is imported, or taken out of an instance, unfolds into is not seen here.
fn passed_on() -> AdmissionError {
    AdmissionError::Malformed("it passes components on as values, which no policy needs".into())
}
