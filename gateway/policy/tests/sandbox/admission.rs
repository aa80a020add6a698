use mountgate_policy::{AdmissionError, Host, HostConfig, PolicyError};

use crate::fixtures::{BOTH, Fixture, PLAIN, config, host};

fn refused(bytes: &[u8]) -> AdmissionError {
    match host().admit(bytes) {
        Ok(_) => panic!("admitted"),
        Err(error) => error,
    }
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn an_unknown_import_is_refused_by_name() {
    for import in ["acme:secrets/store@1.0.0", "wasi:keyvalue/store@0.2.0", "wasi:cli/run@0.2.0", "host"] {
        let error = refused(&component(&format!(r#"(component (import "{import}" (instance)))"#)));
        assert!(matches!(&error, AdmissionError::Import { import: found, .. } if found == import), "{error}");
    }
}

#[test]
fn the_network_is_refused_by_name() {
    for import in ["wasi:sockets/network@0.2.3", "wasi:sockets/tcp@0.2.0", "wasi:http/outgoing-handler@0.2.0"] {
        let error = refused(&component(&format!(r#"(component (import "{import}" (instance)))"#)));
        assert!(error.to_string().contains(import) && error.to_string().contains("no network"), "{error}");
    }
}

#[test]
fn another_version_of_wasi_is_refused() {
    let error = refused(&component(r#"(component (import "wasi:cli/stdout@0.3.0" (instance)))"#));
    assert!(error.to_string().contains("0.2"), "{error}");
}

#[test]
fn the_contracts_types_may_not_smuggle_a_function_in() {
    for base in BOTH.map(Fixture::of) {
        let fixture = base.component(PLAIN);
        assert!(host().admit(&fixture).is_ok());
        let version = base.contract.version();
        let smuggled = component(&format!(
            r#"(component
            (import "mountgate:policy/types@{version}" (instance (export "f" (func))))
            (instance $d)
            (export "mountgate:policy/decisions@{version}" (instance $d)))"#,
        ));
        assert!(matches!(refused(&smuggled), AdmissionError::Unusable(_)));
    }
}

#[test]
fn what_is_no_component_is_refused() {
    for base in BOTH.map(Fixture::of) {
        for bytes in [&b""[..], b"\0asm", b"hello", &wat::parse_str("(module)").unwrap()] {
            assert!(matches!(refused(bytes), AdmissionError::Malformed(_) | AdmissionError::Export { .. }));
        }
        let mut cut = base.component(PLAIN);
        cut.truncate(cut.len() / 2);
        assert!(matches!(refused(&cut), AdmissionError::Malformed(_)));
    }
}

#[test]
fn a_component_that_is_no_policy_is_refused() {
    assert!(matches!(refused(&component("(component)")), AdmissionError::Export { .. }));
    for contract in BOTH {
        let export = format!("mountgate:policy/decisions@{}", contract.version());
        let untyped = component(&format!(r#"(component (instance $d) (export "{export}" (instance $d)))"#));
        assert!(matches!(refused(&untyped), AdmissionError::Unusable(_)));
    }
}

#[test]
fn a_contract_that_is_not_spoken_is_refused_by_its_version() {
    for version in ["0.3.0", "1.0.0", "0.10.0", "0.0.1"] {
        let export = format!("mountgate:policy/decisions@{version}");
        let unknown = component(&format!(r#"(component (instance $d) (export "{export}" (instance $d)))"#));
        let error = refused(&unknown);
        assert!(matches!(&error, AdmissionError::Contract { found, .. } if found == version), "{error}");
        assert!(error.to_string().contains("0.1.0 and 0.2.0"), "{error}");
        let types = format!(r#"(component (import "mountgate:policy/types@{version}" (instance)))"#);
        assert!(matches!(refused(&component(&types)), AdmissionError::Import { .. }));
    }
}

#[test]
fn bombs_are_refused_before_they_are_compiled() {
    for base in BOTH.map(Fixture::of) {
        let fixture = base.component(PLAIN);
        let small = Host::new(HostConfig { max_component: fixture.len() - 1, ..config() }).unwrap();
        assert!(matches!(small.admit(&fixture), Err(AdmissionError::TooLarge { .. })));
        let few = Host::new(HostConfig { max_functions: 1_000, ..config() }).unwrap();
        let functions = "(func)".repeat(1_001);
        let many = Fixture { extra: &functions, ..base }.component(PLAIN);
        assert!(matches!(few.admit(&many), Err(AdmissionError::TooComplex { what: "functions", .. })));
        let nested = format!("(component {} {})", "(component ".repeat(20), ")".repeat(20));
        assert!(matches!(refused(&component(&nested)), AdmissionError::TooComplex { what: "levels", .. }));
        let modules = format!("(component {})", "(core module)".repeat(500));
        assert!(matches!(refused(&component(&modules)), AdmissionError::TooComplex { .. }));
    }
}

#[test]
fn a_start_function_or_describe_that_never_ends_is_stopped() {
    for base in BOTH.map(Fixture::of) {
        let endless = "(loop $forever (br $forever))";
        let start = Fixture { extra: "(func $s (loop $forever (br $forever))) (start $s)", ..base };
        let describe = Fixture { describe: endless, ..base };
        for fixture in [start, describe] {
            let error = refused(&fixture.component(PLAIN));
            assert!(matches!(error, AdmissionError::Describe(PolicyError::TimedOut(_))), "{error}");
        }
    }
}

#[test]
fn more_memory_than_an_instance_may_have_is_refused() {
    for base in BOTH.map(Fixture::of) {
        let module = "(memory $big 1000)";
        // Two memories, or one of 64 MiB: either way no instance of it is made.
        let fixture = Fixture { extra: module, ..base };
        assert!(host().admit(&fixture.component(PLAIN)).is_err());
    }
}

#[test]
fn a_manifest_that_does_not_hold_is_refused() {
    for base in BOTH.map(Fixture::of) {
        // The name's first byte becomes a line feed, which would forge a log line.
        let fixture = Fixture { describe: "(i32.store8 (i32.const 16) (i32.const 10))", ..base };
        assert!(matches!(refused(&fixture.component(PLAIN)), AdmissionError::Manifest(_)));
        let fixture = Fixture { describe: "(i32.store8 (i32.const 48) (i32.const 65))", ..base };
        assert!(matches!(refused(&fixture.component(PLAIN)), AdmissionError::Manifest(_)));
    }
}
