use super::*;

/// Of a file as people write it.
fn fault(text: &str) -> String {
    let tables: Value = toml::from_str(text).expect("the test is TOML");
    Source::read(&tables.to_string())
        .and_then(|source| Knowledge::default().add(&source.tables))
        .expect_err("it is no fact")
}

#[test]
fn every_shipped_file_is_well_formed() {
    for text in SOURCES {
        let read = Source::read(text).and_then(|source| Knowledge::default().add(&source.tables));
        if let Err(fault) = read {
            panic!("{fault}\nin the file that starts with\n{}", text.lines().next().unwrap_or_default());
        }
    }
}

#[test]
fn what_is_no_fact_is_refused() {
    for (text, named) in [
        ("[numpy]\nsort = { mutate = [\"0\"] }", "mutate"),
        ("[numpy]\nsort = { effects = [\"netwrok\"] }", "netwrok"),
        ("[numpy]\nsort = { config = \"nunpy\" }", "nunpy"),
        ("[numpy]\nsort = { rng = \"numpi\" }", "numpi"),
        ("[numpy]\nsort = { when = [{ gives = [\"0\"] }] }", "gives"),
        ("[numpy]\nsort = { when = [{ given = [\"0\"], mutate = [\"0\"] }] }", "mutate"),
        ("[a]\nflat = true\niterable = true", "iterable"),
        ("[a]\nships = \"maybe\"", "maybe"),
        ("[a]\nsubscript = { kind = \"int\" }", "kind"),
        ("[a.attributes]\nb = { typ = \"int\" }\n", "typ"),
        ("[decorators]\nimpure = []", "impure"),
        ("[\"module:math\"]\nunknown = \"pure\"", "unknown_functions"),
        ("[overlay]\ndistribution = \"pandas\"\nuntil = \"3\"", "until"),
    ] {
        let fault = fault(text);
        assert!(fault.contains(named), "{text}\n{fault}");
    }
}

fn environment(pandas: Option<&str>) -> Environment {
    let mut environment = Environment::default();
    if let Some(version) = pandas {
        environment.distributions.insert("pandas".to_owned(), version.to_owned());
    }
    environment
}

/// Without copy-on-write a slice of a frame is a view of it.
#[test]
fn overlays_hold_for_older_versions_and_unknown_ones() {
    for (version, is_view) in [(Some("3.0.1"), false), (Some("2.3.3"), true), (None, true)] {
        let knowledge = Knowledge::shipped(&environment(version));
        let facts = knowledge.call("pandas.DataFrame").expect("it is known");
        assert_eq!(facts.result.iter().any(|kind| kind == "view:*"), is_view, "{version:?}");
    }
}

#[test]
fn no_type_is_its_own_base() {
    let knowledge = Knowledge::shipped(&Environment::default());
    for name in knowledge.types.keys().collect::<BTreeSet<_>>() {
        let mut todo: Vec<&String> = knowledge.types[name].bases.iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(base) = todo.pop().filter(|base| seen.insert(*base)) {
            assert_ne!(base, name, "questions are passed on from base to base");
            todo.extend(knowledge.type_facts(base).iter().flat_map(|facts| &facts.bases));
        }
    }
}
