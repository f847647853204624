//! `kale-rs serve`, and `kale-rs server`, which it starts.

use kale_verbs::serve::{ServeAnswer, ServeListener, ServeRequest, Settings, Stage, serve as carry_out, serve_here};
use kale_verbs::{Session, VerbError};
use serde_json::Value;

use super::{Done, store};
use crate::args::{ServeArgs, ServerArgs};
use crate::{interrupt, output};

pub fn serve(session: &Session, args: ServeArgs) -> Done {
    let json = args.json;
    let request = request(args);
    let answer = carry_out(session, &request, &Terminal { json })?;
    if request.detach || request.pack_only {
        tell(&answer, json, request.detach);
    }
    Ok(0)
}

struct Terminal {
    json: bool,
}

impl ServeListener for Terminal {
    fn stage(&self, stage: Stage) {
        let words = match stage {
            Stage::Packing => "packing the model, with all that it needs ...",
            Stage::Checking => "asking it for the example's answer, in a process of its own ...",
            Stage::Starting => "starting the server ...",
        };
        if !self.json {
            output::progress(words);
        }
    }

    fn ready(&self, answer: &ServeAnswer) {
        // From here on Ctrl-C is the server's, which answers what is under way.
        interrupt::follow();
        tell(answer, self.json, false);
    }
}

fn request(args: ServeArgs) -> ServeRequest {
    let settings = Settings {
        host: args.host,
        port: args.port,
        token_env: args.token_env,
        open: args.open,
        replicas: args.replicas,
        batch: args.batch,
        batch_delay: args.batch_delay,
        timeout: args.timeout,
        max_body: args.max_body,
        memory: args.memory,
        predictor: args.predictor,
        model_only: args.model_only,
        cors: args.cors,
    };
    ServeRequest {
        model: args.model,
        bundle: args.bundle,
        packed: None,
        name: args.name,
        preprocess: args.preprocess,
        postprocess: args.postprocess,
        assets: args.assets,
        example: args.example,
        method: args.method,
        python: args.python,
        trust: args.trust,
        settings,
        detach: args.detach,
        replaces: vec![],
        tied: false,
        pack_only: args.pack,
        store: store(args.store),
    }
}

fn tell(answer: &ServeAnswer, json: bool, detached: bool) {
    answer.remarks.iter().for_each(|remark| output::remark(Some(remark)));
    if json {
        output::json(answer);
        return;
    }
    let mut out = String::new();
    let version = if answer.version.is_empty() { String::new() } else { format!(" {}", answer.version) };
    match &answer.url {
        Some(url) => {
            out.push_str(&format!("{}{version} at {url}\n", answer.name));
            let path = format!("{url}/v1/models/{}:predict", answer.name);
            let body = body(answer.row.as_ref());
            out.push_str(&format!("  curl {path} -H 'Content-Type: application/json' -d '{body}'\n"));
            let end = if detached { format!("`kale-rs services stop {}`", answer.name) } else { "Ctrl-C".to_owned() };
            out.push_str(&format!("  {end} ends it\n"));
        }
        None => {
            out.push_str(&format!("{}{version} in {}\n", answer.name, output::path(&answer.bundle.to_string_lossy())))
        }
    }
    output::answer(out);
}

/// A request that a shell takes as it stands, with a row of the example where that is short.
fn body(row: Option<&Value>) -> String {
    const MOST: usize = 160;
    let row = row.map(ToString::to_string).filter(|row| row.len() <= MOST).unwrap_or_else(|| "...".to_owned());
    format!("{{\"instances\": [{row}]}}").replace('\'', "'\\''")
}

/// What goes wrong was told to whoever has started it.
pub fn server(session: &Session, args: &ServerArgs) -> Done {
    let request = serde_json::from_str(&args.request).map_err(|error| {
        VerbError::usage(format!("the request is malformed: {error}"), "this verb is for `kale-rs serve`")
    })?;
    serve_here(session, &request)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::body;

    #[test]
    fn a_row_is_shown_as_a_shell_takes_it() {
        assert_eq!(body(Some(&json!(["it's"]))), r#"{"instances": [["it'\''s"]]}"#);
        assert_eq!(body(Some(&json!("long".repeat(99)))), body(None));
        assert_eq!(body(None), r#"{"instances": [...]}"#);
    }
}
