//! A step's command line: the step runtime and the step's plan, compressed, with nothing to install.
//!
//! Both travel as base64 of zlib, which leaves KFP and Argo no `{{...}}` to replace and kfp.local no interpreter name
//! to rewrite. The single template is the argument `{{$}}`, for which KFP puts the step's inputs and outputs as JSON.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use kale_model::{Pipeline, StepId, StepPlan};

const RUNTIME: &str = include_str!("../../../../python/kale_runtime/step.py");

/// Placeholder for the ExecutorInput.
const EXECUTOR_INPUT: &str = "{{$}}";

pub fn command() -> Vec<String> {
    vec!["python3".to_owned(), "-c".to_owned(), bootstrap()]
}

pub fn arguments(pipeline: &Pipeline, step: StepId) -> Vec<String> {
    let plan = serde_json::to_string(&StepPlan::new(pipeline, step)).expect("a plan is plain data");
    vec![EXECUTOR_INPUT.to_owned(), compressed(&plan)]
}

/// The SubprocessRunner of kfp.local refuses to start a command that does not name KFP's own executor; the comment
/// satisfies it.
fn bootstrap() -> String {
    format!(
        "# kale_rs step runtime. For kfp.local, which starts only what mentions it: kfp.dsl.executor_main\n\
         import base64, sys, zlib\n\
         exec(zlib.decompress(base64.b64decode(\"{}\")))\n\
         start(*sys.argv[1:])\n",
        compressed(RUNTIME)
    )
}

fn compressed(text: &str) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).expect("memory takes any bytes");
    STANDARD.encode(encoder.finish().expect("memory takes any bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_stays_small() {
        let size = compressed(RUNTIME).len();
        assert!(size <= 8_192, "the step runtime is {size} bytes as base64, and every step carries it");
    }

    #[test]
    fn the_bootstrap_holds_nothing_that_kfp_rewrites() {
        let code = bootstrap();
        assert!(code.contains("kfp.dsl.executor_main"));
        assert!(!code.contains(['{', '}']) && !code.contains("python3"), "{code}");
    }
}
