//! The next trial of a sweep, for tests that compare with other libraries: a JSON document per line, answered by one.
//!
//! ```text
//! {"space": [...], "algorithm": "sobol", "settings": {}, "seed": 1, "trials": [{"point", "value", "place"}]}
//! -> {"point": {...}, "place": null}, or null where there is none
//! ```
//!
//! All trials are over; one without a value has failed.

use std::io::{BufRead, stdin};

use kale_model::sweep::{Algorithm, Direction, Objective, Point, Settings, Space};
use kale_sweep::{Next, Place, Sampler, Trial};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Asked {
    space: Space,
    algorithm: Algorithm,
    #[serde(default)]
    settings: Settings,
    seed: u64,
    trials: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    point: Point,
    value: Option<f64>,
    place: Option<Place>,
}

fn main() {
    let objective = Objective { metric: "value".to_owned(), direction: Direction::Minimize, goal: None };
    for line in stdin().lock().lines() {
        let asked: Asked = serde_json::from_str(&line.expect("a text")).expect("a document of the form above");
        let sampler = Sampler::new(asked.space, asked.algorithm, &asked.settings, &objective, asked.seed)
            .expect("a sweep that can be carried out");
        let trial = |one: Known| Trial { point: one.point, value: one.value, is_over: true, place: one.place };
        let trials: Vec<Trial> = asked.trials.into_iter().map(trial).collect();
        match sampler.next(&trials) {
            Next::Trial(point, place) => println!("{}", json!({"point": point, "place": place})),
            Next::Wait | Next::Exhausted => println!("null"),
        }
    }
}
