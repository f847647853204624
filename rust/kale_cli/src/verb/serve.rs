//! `kale-rs serve`, and `kale-rs server`, which it starts.

use kale_verbs::serve::{ServeAnswer, ServeRequest, Settings, serve as carry_out, serve_here};
use kale_verbs::{Session, VerbError};

use super::{Done, store};
use crate::args::{ServeArgs, ServerArgs};
use crate::{interrupt, output};

pub fn serve(session: &Session, args: ServeArgs) -> Done {
    let json = args.json;
    let request = request(args);
    let on_ready = |answer: &ServeAnswer| {
        // From here on Ctrl-C is the server's, which answers what is under way.
        interrupt::follow();
        tell(answer, json, false);
    };
    let answer = carry_out(session, &request, &on_ready)?;
    if request.detach || request.pack_only {
        tell(&answer, json, request.detach);
    }
    Ok(0)
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
            out.push_str(&format!("  curl {path} -H 'Content-Type: application/json' -d '{{\"instances\": [...]}}'\n"));
            let end = if detached { format!("`kale-rs services stop {}`", answer.name) } else { "Ctrl-C".to_owned() };
            out.push_str(&format!("  {end} ends it\n"));
        }
        None => {
            out.push_str(&format!("{}{version} in {}\n", answer.name, output::path(&answer.bundle.to_string_lossy())))
        }
    }
    output::answer(out);
}

/// What goes wrong was told to whoever has started it.
pub fn server(session: &Session, args: &ServerArgs) -> Done {
    let request = serde_json::from_str(&args.request).map_err(|error| {
        VerbError::usage(format!("the request is malformed: {error}"), "this verb is for `kale-rs serve`")
    })?;
    serve_here(session, &request)?;
    Ok(0)
}
