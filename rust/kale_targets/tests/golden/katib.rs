//! The target `katib`: some sweeps of the pipelines, and what is told of others.

use kale_model::sweep::{Algorithm, Direction, EarlyStopping, Objective, Space, Sweep};
use kale_model::{Code, Diagnostic, Pipeline};
use kale_targets::{EmitOptions, Emitted, Found, Target, Trials, arguments, emit_with_files};
use serde_json::Value;

use super::{difference, file_of, files, golden, large, pipeline, text};

fn trials(pipeline: &Pipeline, ranges: &[&str], metric: &str, direction: Direction) -> Trials {
    let sweep = Sweep {
        space: Space::parse(ranges.iter().copied(), &pipeline.parameters).unwrap(),
        objectives: vec![Objective { metric: metric.to_owned(), direction, goal: None }],
        algorithm: Algorithm::Random,
        settings: Default::default(),
        early_stopping: None,
        trials: 12,
        parallel: 1,
        max_failed: None,
        timeout: None,
        seed: 0,
    };
    Trials { sweep, parallel: None, seed: None, arguments: Default::default(), namespace: None, service_account: None }
}

/// The steps of this one read `rows` and `noise`.
fn branches() -> (Pipeline, Trials) {
    let pipeline = pipeline("branches");
    let trials =
        trials(&pipeline, &["rows=int:10:40:5", "noise=loguniform:1e-3:1"], "constant_error", Direction::Minimize);
    (pipeline, trials)
}

fn emitted(pipeline: &Pipeline, trials: &Trials, files: &Found) -> Emitted {
    let options = EmitOptions { trials: Some(trials.clone()), ..EmitOptions::default() };
    emit_with_files(pipeline, Target::Katib, &options, files)
}

/// The two resources.
fn resources(emitted: &Emitted) -> [Value; 2] {
    let documents: Vec<Value> =
        text(emitted).split("\n---\n").map(|part| serde_yaml_ng::from_str(part).unwrap()).collect();
    documents.try_into().unwrap()
}

fn messages(emitted: &Emitted, code: Code) -> Vec<&str> {
    assert!(emitted.diagnostics.iter().all(|told| told.code == code), "{:?}", emitted.diagnostics);
    assert_eq!(emitted.files.is_none(), emitted.diagnostics.iter().any(Diagnostic::is_error));
    emitted.diagnostics.iter().map(|told| told.message.as_str()).collect()
}

#[test]
fn experiments_are_as_reviewed() {
    let hello = pipeline("hello");
    let plain = trials(&hello, &["n=int:1:9"], "total", Direction::Maximize);
    let (branches, mut tpe) = branches();
    tpe.sweep.algorithm = Algorithm::Tpe;
    tpe.sweep.settings.insert("n_EI_candidates".to_owned(), "24".to_owned());
    tpe.sweep.objectives[0].goal = Some(0.25);
    tpe.sweep.max_failed = Some(3);
    (tpe.seed, tpe.parallel) = (Some(7), Some(4));
    (tpe.namespace, tpe.service_account) = (Some("team-a".parse().unwrap()), Some("runner".to_owned()));
    let kinds = pipeline("parameters");
    let ranges = [
        "count=discrete:-3,0,12",
        "rate=uniform:0:1:0.25",
        "flag=choice:true,false",
        "text=choice:[\"plain\",\"it's \\\"quoted\\\" ${trialParameters.rate} $(HOME)\\n\"]",
        "items=choice:[[1,\"a\"],[]]",
    ];
    let mut all = trials(&kinds, &ranges, "odd", Direction::Minimize);
    let fixed = [("options".to_owned(), serde_json::json!({"a": 2}))];
    all.arguments = arguments(&kinds, &fixed.into()).unwrap();
    let foreign = pipeline("foreign_names");
    let varied = trials(&foreign, &["größe=int:1:3"], "value", Direction::Maximize);
    let cases = [
        ("hello", hello, plain),
        ("branches", branches, tpe),
        ("parameters", kinds, all),
        ("foreign_names", foreign, varied),
    ];
    let changed = cases.iter().filter_map(|(name, pipeline, trials)| {
        let emit = || emitted(pipeline, trials, &files(name).into());
        assert_eq!(text(&emit()), text(&emit()), "same bytes twice");
        difference(&golden().join("katib").join(format!("{name}-katib.yaml")), &reviewable(text(&emit())))
    });
    assert_eq!(changed.collect::<Vec<_>>(), Vec::<std::path::PathBuf>::new());
}

/// Without files that have tests of their own, and without the digest of all files.
fn reviewable(text: &str) -> String {
    let opening = "b64decode(\\\"";
    let mut parts = text.split(opening);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('\\').expect("the literal is closed");
        out.push_str(&format!("{opening}<python/kale_runtime/{}.py>{}", file_of(code), &format!("\\{rest}")));
    }
    let (before, launcher) = out.split_once("  trial.py: |\n").expect("the launcher is the last file");
    let end = launcher.find("\nimmutable:").expect("it ends");
    let out = format!("{before}  trial.py: <python/kale_runtime/trial.py>{}", &launcher[end..]);
    let name = out.lines().find_map(|line| line.strip_prefix("  name: ")).expect("the ConfigMap has a name");
    let (stem, digest) = name.rsplit_once('-').expect("it ends with a digest");
    assert!(digest.len() == 12 && digest.chars().all(|c| c.is_ascii_hexdigit()), "{digest}");
    out.replace(name, &format!("{stem}-<digest>"))
}

/// Where the steps with metrics may run, the report may, too.
#[test]
fn what_the_pipeline_asks_of_kubernetes_goes_along() {
    let mut pipeline = pipeline("cluster");
    pipeline.parameters = super::pipeline("hello").parameters;
    let train = pipeline.step_ids().find(|id| pipeline.step(*id).name.as_str() == "train").unwrap();
    pipeline.metrics[0].step = train;
    let trials = trials(&pipeline, &["n=int:1:9"], "score", Direction::Maximize);
    let options = EmitOptions { trials: Some(trials), ..EmitOptions::default() };
    let [config_map, _] = resources(&emit_with_files(&pipeline, Target::Katib, &options, &files("cluster").into()));
    let request: Value = serde_json::from_str(config_map["data"]["pipeline.json"].as_str().unwrap()).unwrap();
    let executors = &request["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"];
    assert_eq!(request["pipeline_spec"]["root"]["dag"]["tasks"]["report"]["dependentTasks"][0], "train");
    let selector = &executors["exec-report"]["nodeSelector"];
    assert!(selector.is_object() && *selector == executors["exec-train"]["nodeSelector"], "{executors}");
    assert!(executors["exec-report"]["pvcMount"].is_null(), "it needs no volumes");
}

/// Of `the rows_used=1` the collector would read `rows_used=1`.
#[test]
fn only_metrics_that_are_collected_are_printed() {
    let (mut pipeline, trials) = branches();
    pipeline.metrics[2].name = "the constant_error".to_owned();
    let [config_map, experiment] = resources(&emitted(&pipeline, &trials, &Found::default()));
    let settings: Value = serde_json::from_str(config_map["data"]["trial.json"].as_str().unwrap()).unwrap();
    assert_eq!(settings["metrics"], serde_json::json!(["linear", "constant_error"]));
    assert_eq!(experiment["spec"]["objective"]["additionalMetricNames"], serde_json::json!(["linear"]));
}

/// What is in the ConfigMap is in its name, and only that.
#[test]
fn files_that_differ_have_names_that_differ() {
    let (mut pipeline, mut trials) = branches();
    let name = |pipeline: &Pipeline, trials: &Trials| {
        let [config_map, experiment] = resources(&emitted(pipeline, trials, &Found::default()));
        let volumes = &experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["volumes"];
        assert_eq!(volumes[0]["configMap"]["name"], config_map["metadata"]["name"]);
        config_map["metadata"]["name"].as_str().unwrap().to_owned()
    };
    let first = name(&pipeline, &trials);
    trials.sweep.trials += 1;
    assert_eq!(name(&pipeline, &trials), first, "it is the same pipeline");
    pipeline.steps[0].cells[0].source.push_str("\nprint(1)");
    assert_ne!(name(&pipeline, &trials), first);
}

#[test]
fn a_config_map_has_a_limit() {
    let pipeline = large(1_000_000);
    let trials = trials(&pipeline, &["n=int:1:9"], "total", Direction::Maximize);
    for allow_oversize in [false, true] {
        let options = EmitOptions { trials: Some(trials.clone()), allow_oversize, ..EmitOptions::default() };
        let emitted = emit_with_files(&pipeline, Target::Katib, &options, &Found::default());
        assert!(emitted.files.is_none(), "no server takes it");
        assert!(messages(&emitted, Code::TooLarge).iter().any(|told| told.contains("ConfigMap")));
    }
}

#[test]
fn without_a_sweep_there_is_no_experiment() {
    let emitted = emit_with_files(&pipeline("hello"), Target::Katib, &EmitOptions::default(), &Found::default());
    assert_eq!(messages(&emitted, Code::KatibRefuses), ["An Experiment varies parameters, and has an objective."]);
}

/// The messages about a sweep of `branches` that is changed in some way.
fn told(code: Code, change: impl Fn(&mut Trials, &Pipeline)) -> Vec<String> {
    let (pipeline, mut trials) = branches();
    change(&mut trials, &pipeline);
    let emitted = emitted(&pipeline, &trials, &Found::default());
    messages(&emitted, code).into_iter().map(str::to_owned).collect()
}

fn ranges(trials: &mut Trials, pipeline: &Pipeline, texts: &[&str]) {
    trials.sweep.space = Space::parse(texts.iter().copied(), &pipeline.parameters).unwrap();
}

fn hyperband(trials: &mut Trials, resource: &str, most: &str) {
    trials.sweep.algorithm = Algorithm::Hyperband;
    let settings = [("resource_name", resource), ("r_l", most), ("eta", "3")];
    trials.sweep.settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    trials.sweep.trials = 200;
}

/// When the Experiment is applied, or when its algorithm begins.
#[test]
fn what_katib_refuses_is_refused_here() {
    let refused = |words: &str, change: &dyn Fn(&mut Trials, &Pipeline)| {
        let told = told(Code::KatibRefuses, change);
        assert!(told.len() == 1 && told[0].contains(words), "{words}: {told:?}");
    };
    refused("13 trials are to run beside each other, of 12", &|trials, _| trials.parallel = Some(13));
    refused("13 trials may fail, of 12", &|trials, _| trials.sweep.max_failed = Some(13));
    refused("at least one trial", &|trials, _| trials.sweep.trials = 0);
    refused("can count", &|trials, _| trials.sweep.trials = 1 << 31);
    refused("varies at least one parameter", &|trials, _| trials.sweep.space.0.clear());
    refused("does not find a metric", &|trials, _| trials.sweep.objectives[0].metric = "the loss".to_owned());
    refused("The goal is no number", &|trials, _| trials.sweep.objectives[0].goal = Some(f64::NAN));
    refused("no service account", &|trials, _| trials.service_account = Some("My Account".to_owned()));
    refused("infinitely many of `noise`", &|trials, _| trials.sweep.algorithm = Algorithm::Grid);
    refused("at least two parameters", &|trials, _| {
        trials.sweep.algorithm = Algorithm::CmaEs;
        trials.sweep.space.0.remove(1);
    });
    refused("`noise` may not begin at 0", &|trials, pipeline| {
        trials.sweep.algorithm = Algorithm::BayesianOptimization;
        ranges(trials, pipeline, &["rows=int:10:40", "noise=loguniform:1e-3:1"]);
        if let kale_model::sweep::Domain::Double { low, .. } = &mut trials.sweep.space.0[1].domain {
            *low = 0.0;
        }
    });
    refused("needs 9 trials beside each other, and there are 8", &|trials, _| {
        hyperband(trials, "rows", "9");
        trials.parallel = Some(8);
    });
    refused("spends `epochs`, which is not varied", &|trials, _| hyperband(trials, "epochs", "9"));
    refused("KFP cannot hold", &|trials, pipeline| ranges(trials, pipeline, &["rows=int:1:9007199254740993"]));
}

/// As many trials as Katib's hyperband needs, where nobody says how many; a grid has no more than its points.
#[test]
fn counts_are_those_that_katib_takes() {
    let counts = |change: &dyn Fn(&mut Trials, &Pipeline)| {
        let (pipeline, mut trials) = branches();
        change(&mut trials, &pipeline);
        let [_, experiment] = resources(&emitted(&pipeline, &trials, &Found::default()));
        let count = |name: &str| experiment["spec"][name].as_u64().unwrap();
        (count("maxTrialCount"), count("parallelTrialCount"))
    };
    assert_eq!(counts(&|_, _| {}), (12, 3));
    assert_eq!(counts(&|trials, _| trials.sweep.trials = 2), (2, 2));
    assert_eq!(counts(&|trials, _| hyperband(trials, "rows", "81")), (200, 81));
    let grid = |trials: &mut Trials, pipeline: &Pipeline| {
        trials.sweep.algorithm = Algorithm::Grid;
        ranges(trials, pipeline, &["rows=int:10:40:10", "noise=discrete:0.1,0.2"]);
    };
    assert_eq!(counts(&grid), (8, 3));
}

#[test]
fn what_katib_does_otherwise_is_said() {
    let said = |words: &str, change: &dyn Fn(&mut Trials, &Pipeline)| {
        let told = told(Code::KatibDiffers, change);
        assert!(told.len() == 1 && told[0].contains(words), "{words}: {told:?}");
    };
    assert!(told(Code::KatibDiffers, |_, _| {}).is_empty());
    said("no time limit", &|trials, _| trials.sweep.timeout = Some(60.0));
    said("one objective: `constant_error`", &|trials, _| {
        let second = Objective { metric: "linear".to_owned(), ..trials.sweep.objectives[0].clone() };
        trials.sweep.objectives.push(second);
    });
    said("medianstop has nothing to stop it by", &|trials, _| {
        trials.sweep.early_stopping = Some((EarlyStopping::MedianStop, Default::default()));
    });
    said("sobol takes no seed", &|trials, pipeline| {
        (trials.sweep.algorithm, trials.seed) = (Algorithm::Sobol, Some(1));
        ranges(trials, pipeline, &["noise=uniform:0:1"]);
    });
    for algorithm in [Algorithm::Sobol, Algorithm::CmaEs] {
        said("knows no logarithmic ranges: `noise`", &|trials, _| trials.sweep.algorithm = algorithm);
    }
    for algorithm in [Algorithm::Random, Algorithm::Tpe] {
        said("draws fractions from a logarithmic range of whole numbers: `rows`", &|trials, pipeline| {
            trials.sweep.algorithm = algorithm;
            ranges(trials, pipeline, &["rows=logint:1:100"]);
        });
    }
    let bayesian = |texts: &'static [&str]| {
        move |trials: &mut Trials, pipeline: &Pipeline| {
            trials.sweep.algorithm = Algorithm::BayesianOptimization;
            ranges(trials, pipeline, texts);
        }
    };
    said("knows no steps: `rows`", &bayesian(&["rows=int:10:40:5"]));
    said("takes every range as a logarithmic one, also `noise`", &bayesian(&["noise=uniform:0.1:1"]));
}
