//! `kale-rs predict`.

use std::fs;
use std::io::Read;

use kale_verbs::predict::{PredictRequest, predict as ask};
use kale_verbs::render;
use kale_verbs::services::ServiceChoice;
use kale_verbs::{Session, VerbError};
use serde_json::Value;

use super::{Done, status, store};
use crate::args::PredictArgs;
use crate::output;

pub fn predict(session: &Session, args: PredictArgs) -> Done {
    let json = args.json;
    let data = given(&args)?;
    let service = ServiceChoice { store: store(args.store), name: args.name, pid: None };
    let told = ask(session, &PredictRequest { service, data })?;
    if json {
        output::json(&told);
    } else if let Some(predictions) = &told.predictions {
        output::remark(told.example.as_ref().map(of_example).as_deref());
        output::answer(text(predictions));
    } else if let Some(fault) = &told.error {
        output::note(format_args!("`{}` answers {}: {}", told.name, told.status, fault.message));
        if let Some(traceback) = &fault.traceback {
            output::note(traceback.trim_end());
        }
    }
    Ok(status(told.error.is_none()))
}

/// What was asked where nobody said what.
fn of_example(example: &Value) -> String {
    const MOST: usize = 200;
    let rows = example["instances"].as_array().map_or(0, Vec::len);
    let text = example["instances"].to_string();
    let shown = if text.len() <= MOST { format!(": {text}") } else { String::new() };
    format!("no rows are given, so it was asked with the {} of its example{shown}", render::count(rows, "row"))
}

/// A line for each row.
fn text(predictions: &Value) -> String {
    match predictions {
        Value::Array(rows) => rows.iter().map(|row| format!("{row}\n")).collect(),
        other => format!("{other}\n"),
    }
}

fn given(args: &PredictArgs) -> Result<Option<Value>, VerbError> {
    let (text, place) = match (&args.data, &args.file) {
        (_, Some(file)) => {
            let text = fs::read_to_string(file).map_err(|error| VerbError::opening(file, &error))?;
            (text, format!("`{}`", file.display()))
        }
        (Some(data), None) if data == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| VerbError::reading("-", error))?;
            (text, "standard input".to_owned())
        }
        (Some(data), None) => (data.clone(), "this".to_owned()),
        (None, None) => return Ok(None),
    };
    let data = serde_json::from_str(&text).map_err(|error| {
        VerbError::usage(
            format!("{place} is no JSON: {error}"),
            "write rows such as `[[1, 2], [3, 4]]` or `[\"a text\"]`",
        )
    })?;
    Ok(Some(data))
}
