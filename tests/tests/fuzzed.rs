//! The fuzz targets of `fuzz/` on stable: each over its kept corpus, and over so many inputs made from it by a seed.
//! `cargo +nightly fuzz run statement` goes on from the same corpora, guided by coverage.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop where they are wrong")]

use std::path::Path;

use mountgate_core::{Grant, RelationTouch, Scope, Touch, Verb, Verdict};

/// Numbers at random, the same for the same seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: usize) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % most.max(1)
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// One of the corpus, changed in a few places: bytes flipped, stretches cut, doubled, or taken from another.
fn mutant(corpus: &[Vec<u8>], draw: &mut Draw) -> Vec<u8> {
    let mut data = corpus[draw.below(corpus.len())].clone();
    for _ in 0..=draw.below(3) {
        let at = draw.below(data.len());
        let end = (at + 1 + draw.below(16)).min(data.len());
        match draw.below(6) {
            0 if at < data.len() => data[at] = u8::try_from(draw.below(256)).unwrap(),
            1 if at < data.len() => data[at] ^= 1 << draw.below(8),
            2 => drop(data.drain(at.min(end)..end)),
            3 => {
                let part = data[at.min(end)..end].to_vec();
                data.splice(at..at, part);
            }
            _ => {
                let other = &corpus[draw.below(corpus.len())];
                let from = draw.below(other.len());
                let part = other[from..(from + 1 + draw.below(40)).min(other.len())].to_vec();
                data.splice(at..at, part);
            }
        }
    }
    data
}

/// Asks the target about the corpus and `count` mutants; says how often it took one.
fn run(target: &str, count: usize, mut ask: impl FnMut(&[u8]) -> bool) -> usize {
    let corpus = corpus(target);
    let env = std::env::var("MOUNTGATE_FUZZ_RUNS").ok().map(|text| text.parse::<usize>().unwrap());
    let mut draw = Draw(0x5eed);
    let mutants = (0..env.unwrap_or(count)).map(|_| mutant(&corpus, &mut draw));
    let taken = corpus.iter().cloned().chain(mutants).filter(|data| ask(data)).count();
    println!("{target}: {taken} taken");
    taken
}

#[test]
fn statements_made_of_the_corpus_are_refused_or_print_what_parses() {
    let taken = run("statement", 4000, |data| mountgate_sql::fuzz::fuzz_statement(data) > 0);
    assert!(taken > 40, "only {taken} were taken");
}

#[test]
fn bodies_made_of_the_corpus_are_refused_or_survive_being_written() {
    run("body", 30_000, |data| {
        mountgate_doors::fuzz_body(data);
        true
    });
}

#[test]
fn verdicts_made_of_the_corpus_are_refused_or_narrow() {
    let ceiling = mountgate_sql::fuzz::shop().unwrap();
    let relations =
        ceiling.relations().keys().map(|name| RelationTouch { relation: name.clone(), columns: vec![], references: 1 });
    let touch = Touch { verb: Verb::Read, relations: relations.collect(), predicates: vec![] };
    let mut narrowed = 0;
    let taken = run("verdict", 60_000, |data| {
        let Some(verdict) = mountgate_policy::fuzz_verdict(data) else { return false };
        let (Verdict::Allow { grant, .. } | Verdict::Hold { grant, .. }) = verdict else { return true };
        let Ok(scope) = Scope::narrow(ceiling, &touch, &grant) else { return true };
        for (name, relation) in scope.relations() {
            let shown = ceiling.relation(name).unwrap();
            for column in &relation.columns {
                let ceilings = shown.column(&column.name).unwrap();
                assert!(column.masks.starts_with(&ceilings.masks), "{name}.{} loses its mask: {grant:?}", column.name);
            }
            assert!(shown.filter.is_none() || !relation.base_filters.is_empty(), "{name} loses its filter: {grant:?}");
        }
        narrowed += usize::from(matches!(grant, Grant::Narrowed(_)) && scope.relations().iter().next().is_some());
        true
    });
    assert!(taken > 1000 && narrowed > 50, "{taken} taken, {narrowed} of them narrow the shop");
}
