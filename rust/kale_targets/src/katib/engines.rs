//! The programs behind Katib's algorithms: what they refuse, when an Experiment has begun, and what they do otherwise
//! than what is asked.

use kale_model::sweep::{Algorithm, Domain, Scale, Sweep};

use super::experiment::Spec;
use super::{Fault, Trials};

/// The setting that says where random numbers begin.
pub const SEED: &str = "random_state";
const DEFAULT_ETA: u64 = 3;

pub fn takes_seed(algorithm: Algorithm) -> bool {
    algorithm.settings().iter().any(|setting| setting.name == SEED)
}

/// Hyperband asks for all trials of its largest rung at once: as many trials as have to run beside each other.
pub fn least_parallel(sweep: &Sweep) -> Option<u64> {
    if sweep.algorithm != Algorithm::Hyperband {
        return None;
    }
    let setting = |name: &str| sweep.settings.get(name);
    let eta = setting("eta").and_then(|text| text.parse().ok()).filter(|eta| *eta > 1).unwrap_or(DEFAULT_ETA);
    let mut left = setting("r_l").and_then(|text| text.parse::<f64>().ok()).unwrap_or(1.0) / eta as f64;
    let mut least = 1_u64;
    // By division: a logarithm of a power may come out below it.
    while left >= 1.0 {
        left /= eta as f64;
        least = least.saturating_mul(eta);
    }
    Some(least)
}

/// What the service of an algorithm refuses.
pub fn faults(sweep: &Sweep, spec: &Spec) -> Vec<Fault> {
    match sweep.algorithm {
        Algorithm::Grid => grid(sweep),
        Algorithm::CmaEs => cmaes(sweep),
        Algorithm::BayesianOptimization => bayesian(sweep),
        Algorithm::Hyperband => hyperband(sweep, spec),
        Algorithm::Random | Algorithm::Sobol | Algorithm::Tpe | Algorithm::MultivariateTpe => vec![],
    }
}

fn grid(sweep: &Sweep) -> Vec<Fault> {
    let endless = names(sweep, |domain| matches!(domain, Domain::Double { step: None, .. }));
    let message = format!("grid tries all values, and there are infinitely many of {}.", endless.join(", "));
    one(!endless.is_empty(), message, "Give a step, such as `uniform:0:1:0.1`, or a list: `discrete:0.1,0.5`.")
}

fn cmaes(sweep: &Sweep) -> Vec<Fault> {
    let ranges = names(sweep, |domain| matches!(domain, Domain::Int { .. } | Domain::Double { .. }));
    let message = "cmaes needs at least two parameters with ranges of numbers.".to_owned();
    one(ranges.len() < 2, message, "Vary another one, or take `--algorithm tpe`.")
}

fn bayesian(sweep: &Sweep) -> Vec<Fault> {
    let low = names(sweep, |domain| matches!(domain, Domain::Double { low, .. } if *low <= 0.0));
    let message = format!(
        "Katib's bayesianoptimization takes every range as a logarithmic one: {} may not begin at 0 or below.",
        low.join(", ")
    );
    one(!low.is_empty(), message, "Begin above 0, or take `--algorithm tpe`.")
}

fn hyperband(sweep: &Sweep, spec: &Spec) -> Vec<Fault> {
    let least = least_parallel(sweep).unwrap_or(1);
    let resource = sweep.settings.get("resource_name").map(String::as_str).unwrap_or_default();
    let is_varied = !names(sweep, |_| true).iter().all(|name| *name != format!("`{resource}`"));
    let mut faults = one(
        spec.parallel_trial_count < least,
        format!("hyperband needs {least} trials beside each other, and there are {}.", spec.parallel_trial_count),
        "Give a greater number to `--parallel`, or a smaller `--setting r_l`.",
    );
    faults.extend(one(
        !is_varied,
        format!("hyperband spends `{}`, which is not varied.", resource.escape_debug()),
        "Give it a range: `--param epochs=int:1:81`.",
    ));
    faults
}

/// What is done otherwise than what is asked, or not at all.
pub fn quirks(trials: &Trials) -> Vec<Fault> {
    let sweep = &trials.sweep;
    let mut quirks = of_algorithm(sweep);
    if trials.seed.is_some() && !takes_seed(sweep.algorithm) {
        let message = format!("Katib's {} takes no seed.", sweep.algorithm.as_str());
        quirks.push((message, "Each Experiment begins elsewhere, then; a sweep on this machine does not.".to_owned()));
    }
    if sweep.timeout.is_some() {
        let help = "Delete the Experiment when it has had its time, or give fewer trials.".to_owned();
        quirks.push(("An Experiment has no time limit: `--timeout` is left out.".to_owned(), help));
    }
    if let [first, _, ..] = &sweep.objectives[..] {
        let message = format!("Katib has one objective: `{}`. The other ones are only shown.", first.metric);
        quirks.push((message, "Sweep on this machine for several at once.".to_owned()));
    }
    if sweep.early_stopping.is_some() {
        let message = "A trial tells its metric when its run is over: medianstop has nothing to stop it by.".to_owned();
        quirks.push((message, "Leave early stopping out, or sweep on this machine.".to_owned()));
    }
    quirks
}

fn of_algorithm(sweep: &Sweep) -> Vec<Fault> {
    let is_logarithmic = |domain: &Domain| matches!(domain, Domain::Int { scale, .. } | Domain::Double { scale, .. } if *scale == Scale::Logarithmic);
    let is_logarithmic_int = |domain: &Domain| matches!(domain, Domain::Int { scale: Scale::Logarithmic, .. });
    let name = sweep.algorithm.as_str();
    match sweep.algorithm {
        Algorithm::Random | Algorithm::Tpe => {
            let found = names(sweep, is_logarithmic_int);
            let message = format!(
                "Katib's {name} draws fractions from a logarithmic range of whole numbers: {}.",
                found.join(", ")
            );
            one(!found.is_empty(), message, "Trials round them; Katib shows them as they were drawn.")
        }
        Algorithm::BayesianOptimization => bayesian_quirks(sweep),
        Algorithm::CmaEs | Algorithm::Sobol => {
            let found = names(sweep, is_logarithmic);
            let message = format!("Katib's {name} knows no logarithmic ranges: {} will be uniform.", found.join(", "));
            one(!found.is_empty(), message, "Let the notebook take an exponent, or take `--algorithm tpe`.")
        }
        Algorithm::Grid | Algorithm::Hyperband | Algorithm::MultivariateTpe => vec![],
    }
}

fn bayesian_quirks(sweep: &Sweep) -> Vec<Fault> {
    let linear = names(sweep, |domain| matches!(domain, Domain::Double { scale: Scale::Linear, .. }));
    let stepped = names(sweep, |domain| {
        matches!(domain, Domain::Double { step: Some(_), .. })
            || matches!(domain, Domain::Int { step, .. } if *step > 1)
    });
    let message =
        format!("Katib's bayesianoptimization takes every range as a logarithmic one, also {}.", linear.join(", "));
    let mut quirks = one(!linear.is_empty(), message, "For uniform ranges take `--algorithm tpe`.");
    let message =
        format!("Katib's bayesianoptimization knows no steps: {} will have values between them.", stepped.join(", "));
    quirks.extend(one(!stepped.is_empty(), message, "List the values, `discrete:1,2,4`, or take `--algorithm tpe`."));
    quirks
}

fn one(is_so: bool, message: String, help: &str) -> Vec<Fault> {
    if is_so { vec![(message, help.to_owned())] } else { vec![] }
}

/// The parameters with such a range, as they are shown.
fn names(sweep: &Sweep, is_such: impl Fn(&Domain) -> bool) -> Vec<String> {
    let found = sweep.space.0.iter().filter(|dimension| is_such(&dimension.domain));
    found.map(|dimension| format!("`{}`", dimension.name)).collect()
}
