//! The algorithms against what is known of them.

use std::collections::{BTreeMap, BTreeSet};

use kale_model::sweep::{Algorithm, Direction, Domain, Objective, Point, Settings, Space};
use kale_model::{Parameter, ParameterType};
use kale_sweep::{MedianStop, Next, Sampler, SamplerError, StepUse, Trial, step_runs};
use serde_json::{Value, json};

fn parameters() -> Vec<Parameter> {
    let parameter = |name: &str, kind: ParameterType, default: Value| {
        serde_json::from_value(json!({
            "name": name, "type": kind, "default": default,
            "span": {"cell": 0, "start": {"line": 1, "column": 1}, "end": {"line": 1, "column": 2}},
        }))
    };
    vec![
        parameter("lr", ParameterType::Float, json!(0.01)).unwrap(),
        parameter("share", ParameterType::Float, json!(0.5)).unwrap(),
        parameter("layers", ParameterType::Int, json!(2)).unwrap(),
        parameter("epochs", ParameterType::Int, json!(10)).unwrap(),
        parameter("opt", ParameterType::Str, json!("adam")).unwrap(),
        parameter("sizes", ParameterType::List, json!([1])).unwrap(),
        parameter("deep", ParameterType::Bool, json!(true)).unwrap(),
    ]
}

fn space(texts: &[&str]) -> Space {
    Space::parse(texts.iter().copied(), &parameters()).unwrap()
}

fn refusal(text: &str) -> String {
    Space::parse([text], &parameters()).unwrap_err().to_string()
}

fn objective() -> Objective {
    Objective { metric: "loss".into(), direction: Direction::Minimize, goal: None }
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn sampler(space: Space, algorithm: Algorithm, pairs: &[(&str, &str)]) -> Sampler {
    algorithm.check(&settings(pairs)).unwrap();
    Sampler::new(space, algorithm, &settings(pairs), &objective(), 7).unwrap()
}

/// Trials one after another, each with the value that a function has at its point.
fn run(sampler: &Sampler, count: usize, value: impl Fn(&Point) -> Option<f64>) -> Vec<Trial> {
    let mut trials = vec![];
    while trials.len() < count {
        let Next::Trial(point, place) = sampler.next(&trials) else { break };
        let value = value(&point);
        trials.push(Trial { point, value, is_over: true, place });
    }
    trials
}

fn number(point: &Point, name: &str) -> f64 {
    point[name].as_f64().unwrap()
}

#[test]
fn ranges_are_read_and_kept_to() {
    let space = space(&[
        "lr=loguniform:1e-5:1e-1",
        "share=uniform:0:1:0.1",
        "layers=int:1:8:3",
        "epochs=logint:1:1000",
        "opt=choice:adam, sgd",
        "sizes=choice:[[1, 2], [3]]",
        "deep=choice:true,false",
    ]);
    let trials = run(&sampler(space.clone(), Algorithm::Random, &[]), 2_000, |_| Some(0.0));
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for trial in &trials {
        for dimension in &space.0 {
            let value = &trial.point[dimension.name.as_str()];
            assert!(dimension.domain.contains(value), "{} = {value}", dimension.name.as_str());
            seen.entry(dimension.name.to_string()).or_default().insert(value.to_string());
        }
    }
    assert_eq!(seen["layers"], ["1", "4", "7"].map(str::to_owned).into());
    assert_eq!(seen["sizes"].len(), 2);
    assert_eq!(seen["share"].len(), 11);
    let small = trials.iter().filter(|trial| number(&trial.point, "lr") < 1e-3).count();
    assert!((900..1100).contains(&small), "{small} of 2,000 in the lower half of the decades");
    let few = trials.iter().filter(|trial| number(&trial.point, "epochs") < 31.6).count();
    assert!((900..1200).contains(&few), "{few} of 2,000 in the lower half of the decades");
}

#[test]
fn what_is_no_range_is_refused_in_words() {
    for (text, words) in [
        ("lr", "`lr` has no values: write NAME=KIND:VALUES"),
        ("rate=uniform:0:1", "the notebook has no parameter `rate`: it has lr, share, layers"),
        ("lr=normal:0:1", "lr: `normal:0:1` is not a range of values"),
        ("lr=uniform:0", "lr: `uniform` takes numbers: uniform:A:B or uniform:A:B:STEP"),
        ("lr=uniform:1:0", "lr: 1 is not less than 0: the lower end comes first"),
        ("lr=uniform:nan:1", "lr: NaN is not less than 1"),
        ("lr=uniform:-1e308:1e308", "is not less than"),
        ("lr=uniform:0:1:2", "lr: a step is greater than 0, not greater than the range"),
        ("lr=uniform:0:1:-0.1", "a step is greater than 0"),
        ("lr=uniform:0:1e300:1e-300", "not lost in its numbers"),
        ("lr=discrete:1,1.0", "lr: `1` is there twice"),
        ("opt=choice:", "opt: there is no value to choose"),
        ("sizes=choice:[]", "sizes: there is no value to choose"),
        ("lr=loguniform:0:1", "lr: a logarithmic range begins above 0, not at 0"),
        ("lr=loguniform:1:2:0.5", "`loguniform` takes two numbers"),
        ("layers=int:1:8:0", "a step is greater than 0"),
        ("layers=int:1:8:-1", "a step is greater than 0"),
        ("layers=uniform:1:8", "layers: an int takes int:A:B"),
        ("layers=discrete:1,2.5", "layers: an int takes int:A:B"),
        ("layers=choice:1,two", "layers: `two` is not an int, such as 10"),
        ("opt=int:1:2", "opt: a str takes choice:a,b"),
        ("opt=choice:a,b,a", "opt: `\"a\"` is there twice"),
        ("layers=discrete:", "`discrete` takes numbers"),
    ] {
        assert!(refusal(text).contains(words), "{text}: {}", refusal(text));
    }
    let twice = Space::parse(["lr=uniform:0:1", "lr=uniform:0:2"], &parameters()).unwrap_err();
    assert_eq!(twice.to_string(), "`lr` is varied twice");
}

#[test]
fn ranges_are_guessed_from_type_and_value() {
    let guessed: BTreeMap<String, Value> = (Space::guess(&parameters()).0.into_iter())
        .map(|dimension| (dimension.name.to_string(), serde_json::to_value(dimension.domain).unwrap()))
        .collect();
    let double = |low: f64, high: f64, scale: &str| json!({"kind": "double", "low": low, "high": high, "step": null, "scale": scale});
    let int = |low: i64, high: i64| json!({"kind": "int", "low": low, "high": high, "step": 1, "scale": "linear"});
    assert_eq!(guessed["lr"], double(0.001, 0.1, "logarithmic"));
    assert_eq!(guessed["share"], double(0.0, 1.0, "linear"));
    assert_eq!(guessed["layers"], int(1, 8));
    assert_eq!(guessed["epochs"], int(2, 40));
    assert_eq!(guessed["deep"], json!({"kind": "categorical", "values": [false, true]}));
    assert!(!guessed.contains_key("opt") && !guessed.contains_key("sizes"));
}

#[test]
fn a_trial_depends_on_seed_and_number_alone() {
    for algorithm in [Algorithm::Random, Algorithm::Sobol] {
        let make = |seed| {
            let space = space(&["lr=loguniform:1e-5:1e-1", "opt=choice:adam,sgd"]);
            Sampler::new(space, algorithm, &Settings::new(), &objective(), seed).unwrap()
        };
        let (all, again) = (run(&make(1), 30, |_| Some(1.0)), run(&make(1), 30, |_| None));
        for (one, other) in all.iter().zip(&again) {
            assert_eq!(one.point, other.point);
        }
        assert_ne!(all[0].point, run(&make(2), 1, |_| None)[0].point);
        let different: BTreeSet<String> = all.iter().map(|trial| trial.point["lr"].to_string()).collect();
        assert_eq!(different.len(), 30);
    }
}

#[test]
fn a_grid_is_exhaustive_and_ends() {
    let space = space(&["share=uniform:0:1:0.5", "layers=int:1:2", "opt=choice:adam,sgd"]);
    let sampler = sampler(space, Algorithm::Grid, &[]);
    assert_eq!(sampler.most_trials(), Some(12));
    let trials = run(&sampler, 100, |_| Some(0.0));
    let texts: Vec<String> = trials.iter().map(|trial| serde_json::to_string(&trial.point).unwrap()).collect();
    assert_eq!(texts[0], r#"{"share":0.0,"layers":1,"opt":"adam"}"#);
    assert_eq!(texts[1], r#"{"share":0.0,"layers":1,"opt":"sgd"}"#);
    assert_eq!(texts[11], r#"{"share":1.0,"layers":2,"opt":"sgd"}"#);
    assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), 12);
}

#[test]
fn numbers_of_a_grid_are_as_people_write_them() {
    let sampler = sampler(space(&["share=uniform:0:0.7:0.1", "lr=uniform:1e-5:4e-5:1e-5"]), Algorithm::Grid, &[]);
    let trials = run(&sampler, 100, |_| None);
    let texts = |name: &str| trials.iter().map(|trial| trial.point[name].to_string()).collect::<BTreeSet<_>>();
    assert_eq!(texts("share"), ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7"].map(str::to_owned).into());
    assert_eq!(texts("lr"), ["0.00001", "0.00002", "0.00003", "0.00004"].map(str::to_owned).into());
}

#[test]
fn lists_may_be_chosen_without_another_bracket_around_them() {
    let values = |text: &str| serde_json::to_value(&space(&[text]).0[0].domain).unwrap()["values"].clone();
    assert_eq!(values("sizes=choice:[1, 2],[3]"), json!([[1, 2], [3]]));
    assert_eq!(values("sizes=choice:[[1, 2], [3]]"), json!([[1, 2], [3]]));
    assert_eq!(values("opt=choice:[\"a,b\", \"c\"]"), json!(["a,b", "c"]));
}

#[test]
fn a_schedule_without_end_can_be_counted() {
    let space = space(&["lr=uniform:1:1e300"]);
    let sampler = sampler(space, Algorithm::Hyperband, &[("resource_name", "lr"), ("r_l", "1e300"), ("eta", "2")]);
    assert_eq!(sampler.most_trials(), Some(u64::MAX));
}

#[test]
fn a_grid_of_a_continuous_range_is_refused() {
    let endless = Sampler::new(space(&["lr=uniform:0:1"]), Algorithm::Grid, &Settings::new(), &objective(), 0);
    assert_eq!(endless, Err(SamplerError::Continuous("lr".into())));
}

/// The largest difference between the share of points in a box at the origin and the box's area.
fn star_discrepancy(points: &[(f64, f64)]) -> f64 {
    let share = |x: f64, y: f64, closed: bool| {
        let inside = |p: &&(f64, f64)| if closed { p.0 <= x && p.1 <= y } else { p.0 < x && p.1 < y };
        points.iter().filter(inside).count() as f64 / points.len() as f64
    };
    let mut worst: f64 = 0.0;
    for &(x, _) in points {
        for &(_, y) in points {
            worst = worst.max((share(x, y, true) - x * y).abs()).max((share(x, y, false) - x * y).abs());
        }
    }
    worst
}

#[test]
fn sobol_covers_more_evenly_than_chance() {
    let square = |algorithm, seed| {
        let space = space(&["lr=uniform:0:1", "share=uniform:0:1"]);
        let sampler = Sampler::new(space, algorithm, &Settings::new(), &objective(), seed).unwrap();
        let trials = run(&sampler, 128, |_| None);
        trials.iter().map(|trial| (number(&trial.point, "lr"), number(&trial.point, "share"))).collect::<Vec<_>>()
    };
    for seed in 0..5 {
        let (even, chance) = (square(Algorithm::Sobol, seed), square(Algorithm::Random, seed));
        let (even, chance) = (star_discrepancy(&even), star_discrepancy(&chance));
        assert!(even < 0.04 && even < chance / 2.0, "seed {seed}: {even} beside {chance}");
    }
}

#[test]
fn hyperband_has_the_schedule_of_its_paper() {
    let space = space(&["epochs=int:1:81", "lr=loguniform:1e-5:1e-1"]);
    let sampler = sampler(space, Algorithm::Hyperband, &[("resource_name", "epochs"), ("r_l", "81")]);
    let loss = |point: &Point| Some((number(point, "lr").log10() + 3.0).abs());
    let trials = run(&sampler, 10_000, loss);
    let mut counts: BTreeMap<(usize, usize), Vec<i64>> = BTreeMap::new();
    for trial in &trials {
        let place = trial.place.unwrap();
        counts.entry((place.bracket, place.rung)).or_default().push(trial.point["epochs"].as_i64().unwrap());
    }
    let expected: [&[(usize, i64)]; 5] = [
        &[(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        &[(34, 3), (11, 9), (3, 27), (1, 81)],
        &[(15, 9), (5, 27), (1, 81)],
        &[(8, 27), (2, 81)],
        &[(5, 81)],
    ];
    for (bracket, rungs) in expected.iter().enumerate() {
        for (rung, (count, epochs)) in rungs.iter().enumerate() {
            assert_eq!(counts[&(bracket, rung)], vec![*epochs; *count], "bracket {bracket}, rung {rung}");
        }
    }
    assert_eq!(sampler.most_trials(), Some(trials.len() as u64));

    // The best of a rung are those that go on.
    let of = |rung: usize| {
        trials.iter().filter(move |trial| trial.place.is_some_and(|at| at.bracket == 0 && at.rung == rung))
    };
    let mut losses: Vec<f64> = of(0).map(|trial| trial.value.unwrap()).collect();
    losses.sort_by(f64::total_cmp);
    let best: Vec<f64> = of(1).map(|trial| trial.value.unwrap()).collect();
    assert_eq!(best, losses[..27]);
}

#[test]
fn hyperband_waits_for_a_rung_and_begins_the_next_bracket_meanwhile() {
    let space = space(&["epochs=int:1:3", "lr=uniform:0:1"]);
    let sampler = sampler(space, Algorithm::Hyperband, &[("resource_name", "epochs"), ("r_l", "3")]);
    let mut trials: Vec<Trial> = vec![];
    while let Next::Trial(point, place) = sampler.next(&trials) {
        trials.push(Trial { point, value: None, is_over: false, place });
    }
    // Three with one epoch, and the two of the second bracket with three.
    let epochs: Vec<i64> = trials.iter().map(|trial| trial.point["epochs"].as_i64().unwrap()).collect();
    assert_eq!(epochs, [1, 1, 1, 3, 3]);
    assert_eq!(sampler.next(&trials), Next::Wait);
    for (trial, value) in trials.iter_mut().zip([Some(2.0), None, Some(1.0), Some(0.0), Some(0.0)]) {
        (trial.value, trial.is_over) = (value, true);
    }
    let Next::Trial(point, _) = sampler.next(&trials) else { panic!("the best of the first rung goes on") };
    assert_eq!(point["lr"], trials[2].point["lr"]);
    // Where all have failed, nobody goes on.
    for trial in &mut trials {
        trial.value = None;
    }
    assert_eq!(sampler.next(&trials), Next::Exhausted);
}

#[test]
fn settings_are_those_that_katib_accepts() {
    let refusal =
        |algorithm: Algorithm, pairs: &[(&str, &str)]| algorithm.check(&settings(pairs)).unwrap_err().to_string();
    assert_eq!(
        refusal(Algorithm::Tpe, &[("n_ei_candidates", "24")]),
        "tpe has no setting `n_ei_candidates`: it has gamma, prior_weight, n_EI_candidates, random_state"
    );
    assert_eq!(refusal(Algorithm::Sobol, &[("seed", "1")]), "sobol has no setting `seed`: it has none");
    assert_eq!(refusal(Algorithm::Tpe, &[("gamma", "1")]), "gamma is a number between 0 and 1, not `1`");
    assert_eq!(
        refusal(Algorithm::CmaEs, &[("restart_strategy", "often")]),
        "restart_strategy is one of none, ipop, bipop, not `often`"
    );
    assert!(refusal(Algorithm::Hyperband, &[("r_l", "9")]).starts_with("hyperband needs resource_name"));
    assert!(Algorithm::parse("annealing").unwrap_err().to_string().contains("random, grid, sobol, hyperband, tpe"));
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::parse(algorithm.as_str()), Ok(algorithm));
        assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
    }
}

#[test]
fn what_is_worse_than_the_median_is_given_up() {
    let rule = MedianStop::new(&settings(&[("min_trials_required", "3"), ("start_step", "2")]));
    let completed: [&[f64]; 3] = [&[1.0, 0.8, 0.1], &[0.9, 0.7, 0.2], &[0.5, 0.3, 0.1]];
    let gives_up = |direction, reports: &[f64], others: &[&[f64]]| rule.gives_up(direction, reports, others);
    // By the second report the averages are 0.9, 0.8 and 0.4.
    assert!(gives_up(Direction::Minimize, &[0.95, 0.85], &completed));
    assert!(!gives_up(Direction::Minimize, &[0.95, 0.75], &completed));
    assert!(gives_up(Direction::Maximize, &[0.5, 0.75], &completed));
    assert!(!gives_up(Direction::Minimize, &[9.0], &completed), "before `start_step` nothing is given up");
    assert!(!gives_up(Direction::Minimize, &[9.0, 9.0], &completed[..2]), "too few to compare with");
    assert!(gives_up(Direction::Minimize, &[f64::NAN, f64::NAN], &completed));
}

#[test]
fn what_is_the_same_in_two_trials_is_run_once() {
    let step = |names: &[&str], after: &[usize]| StepUse {
        parameters: names.iter().map(|name| (*name).to_owned()).collect(),
        after: after.to_vec(),
    };
    // Two steps that nothing is varied of, and two that everything changes.
    let steps = [step(&[], &[]), step(&[], &[0]), step(&["lr"], &[1]), step(&[], &[2])];
    let points: Vec<Point> = run(&sampler(space(&["lr=uniform:0:1"]), Algorithm::Random, &[]), 50, |_| None)
        .into_iter()
        .map(|trial| trial.point)
        .collect();
    assert_eq!(step_runs(&steps, &points), [1, 1, 50, 50]);
    // A longer beginning is shared by the trials that have it in common.
    let grid = sampler(space(&["layers=int:1:3", "opt=choice:adam,sgd"]), Algorithm::Grid, &[]);
    let points: Vec<Point> = run(&grid, 100, |_| None).into_iter().map(|trial| trial.point).collect();
    let steps = [step(&[], &[]), step(&["layers"], &[0]), step(&["opt"], &[1]), step(&["opt"], &[0])];
    assert_eq!(step_runs(&steps, &points), [1, 3, 6, 2]);
}

#[test]
fn a_domain_of_a_million_values_costs_nothing() {
    let domain = Domain::parse("int:-9223372036854775808:9223372036854775807", ParameterType::Int).unwrap();
    assert!(domain.contains(&domain.at(0.0)) && domain.contains(&domain.at(0.999_999_999)));
}
