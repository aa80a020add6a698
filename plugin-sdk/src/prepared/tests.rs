use super::*;

#[test]
fn entries_are_found_by_key_and_others_are_not() {
    let table = Indexed::new((0..50).map(|n| (format!("table_{n}"), vec![n, n + 1]))).unwrap();
    let bytes = encode(&table).unwrap();
    let table: Indexed<'_, Vec<i32>> = decode(&bytes).unwrap();
    assert_eq!(table.len(), 50);
    for n in 0..50 {
        assert_eq!(table.get(&format!("table_{n}")), Ok(Some(vec![n, n + 1])));
    }
    for absent in ["", "table_", "table_50", "zebra"] {
        assert_eq!(table.get(absent), Ok(None));
    }
}

#[test]
fn a_key_twice_is_refused() {
    assert_eq!(Indexed::new([("a".to_owned(), 1), ("a".to_owned(), 2)]).unwrap_err(), "`a` is there twice");
}

#[test]
fn damaged_bytes_are_an_error_and_never_a_panic() {
    let whole = Indexed::new((0..5).map(|n| (format!("t{n}"), n.to_string()))).unwrap();
    for cut in 0..whole.bytes.len() {
        let cut: Indexed<'_, String> = Indexed { bytes: Cow::Borrowed(&whole.bytes[..cut]), of: PhantomData };
        for n in 0..5 {
            // Found whole, or not found, or an error.
            if let Ok(Some(text)) = cut.get(&format!("t{n}")) {
                assert_eq!(text, n.to_string());
            }
        }
    }
    for at in 0..whole.bytes.len() {
        let mut bent = whole.clone();
        bent.bytes.to_mut()[at] ^= 0xff;
        let _ = bent.get("t3");
    }
}

#[test]
fn an_empty_table_has_nothing() {
    let table: Indexed<'_, u8> = Indexed::default();
    assert!(table.is_empty());
    assert_eq!(table.get("a"), Ok(None));
}

#[test]
fn listed_entries_are_found_by_place_and_absent_ones_are_not() {
    let list = Listed::new((0..50).map(|n| (n % 3 != 0).then(|| (n % 2 == 0).then(|| n.to_string())))).unwrap();
    let bytes = encode(&list).unwrap();
    let list: Listed<'_, Option<String>> = decode(&bytes).unwrap();
    for n in 0..50_u32 {
        let expected = (n % 3 != 0).then(|| (n % 2 == 0).then(|| n.to_string()));
        assert_eq!(list.get(n), Ok(expected), "{n}");
    }
    assert_eq!(list.get(50), Ok(None));
    assert_eq!(list.get(u32::MAX), Ok(None));
    // An entry whose encoding is empty is there all the same.
    let units = Listed::new([None, Some(())]).unwrap();
    assert_eq!((units.get(0), units.get(1)), (Ok(None), Ok(Some(()))));
}

#[test]
fn damaged_lists_are_an_error_and_never_a_panic() {
    let whole = Listed::new((0..5).map(|n| Some(n.to_string()))).unwrap();
    for at in 0..whole.ends.0.len() {
        let mut bent = whole.clone();
        bent.ends.0.to_mut()[at] ^= 0xff;
        for place in 0..6 {
            let _ = bent.get(place);
        }
    }
    for cut in 0..whole.body.0.len() {
        let cut: Listed<'_, String> =
            Listed { ends: whole.ends.clone(), body: Blob(Cow::Borrowed(&whole.body.0[..cut])), of: PhantomData };
        assert!((0..5).any(|place| cut.get(place).is_err()));
    }
}
