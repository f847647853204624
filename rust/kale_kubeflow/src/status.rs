//! From an answer that is no success to one clear line, and to whether asking again can help.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use crate::error::{Kind, KubeflowError};

/// Whether a request that failed was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarriedOut {
    /// It never arrived, or was turned away.
    No,
    /// A gateway says that there is no server to carry it to. Of its own attempts, an earlier one may have arrived.
    Hardly,
    /// The server has answered: what is to come of it is there by now, all of it or half.
    Perhaps,
    /// It arrived, perhaps, and the server may still be at it: that a gateway has given up does not stop it.
    PerhapsYet,
}

/// One request that failed.
#[derive(Debug)]
pub struct Failure {
    pub error: KubeflowError,
    pub carried_out: CarriedOut,
    /// Whether another attempt may go well.
    pub passing: bool,
    /// How long the server asks to wait.
    pub wait: Option<Duration>,
}

impl Failure {
    /// One that no other attempt mends.
    pub fn lasting(error: KubeflowError) -> Failure {
        Failure { error, carried_out: CarriedOut::No, passing: false, wait: None }
    }
}

/// An answer with all that matters of it.
pub struct Answer {
    pub status: StatusCode,
    pub is_html: bool,
    pub location: Option<String>,
    pub retry_after: Option<Duration>,
    /// The status of a gRPC that ended before there was a message: number and words.
    pub grpc_status: Option<(u32, String)>,
    pub body: Vec<u8>,
}

/// Who asked for what, for words.
pub struct Asked<'a> {
    /// What was to be done, such as `start the run`.
    pub action: &'a str,
    pub url: &'a str,
    pub namespace: Option<&'a str>,
    /// The credentials that were shown, and what to do when they are not taken.
    pub credentials: &'a str,
    pub remedy: &'a str,
}

/// What an answer other than success means.
pub fn failure(answer: &Answer, asked: &Asked<'_>) -> Failure {
    let status = answer.status;
    let Asked { action, url, .. } = asked;
    let said = said(answer);
    let colon = |said: &Option<String>| said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
    let told = |kind, message: String, help: &str| KubeflowError::new(kind, message, help);
    let lasting = Failure::lasting;
    match status.as_u16() {
        300..=399 => lasting(elsewhere(answer, asked)),
        401 => {
            let message =
                format!("cannot {action}: `{url}` does not accept {} (401){}", asked.credentials, colon(&said));
            lasting(told(Kind::Unauthorized, message, asked.remedy))
        }
        403 => {
            let place = asked.namespace.map(|name| format!(" in the namespace `{name}`")).unwrap_or_default();
            let message = format!("cannot {action}: not allowed{place} (403){}", colon(&said));
            let help = "see that the namespace is yours, and ask its owner for the right to view and edit pipelines";
            lasting(told(Kind::Forbidden, message, help))
        }
        // A gateway may have words, too; only the server itself says that what was asked for is not there.
        404 if !says_not_found(answer) => lasting(foreign(asked, &format!("has no such page (404){}", colon(&said)))),
        404 => lasting(told(
            Kind::NotFound,
            format!("cannot {action}: not found{}", colon(&said)),
            "it may have been deleted",
        )),
        409 => lasting(told(
            Kind::Exists,
            format!("cannot {action}: it is there already{}", colon(&said)),
            "choose another name",
        )),
        429 => {
            let error =
                told(Kind::Busy, format!("cannot {action}: the server has too much to do (429)"), "try again later");
            Failure { error, carried_out: CarriedOut::No, passing: true, wait: answer.retry_after }
        }
        400..=499 => {
            let message = format!("cannot {action}: the server refuses ({}){}", status.as_u16(), colon(&said));
            let help =
                "if these words say nothing to you, see with `kale-rs context test` which version the server has";
            lasting(told(Kind::Refused, message, help))
        }
        _ => {
            let message = format!("cannot {action}: the server failed ({}){}", status.as_u16(), colon(&said));
            let carried_out = match status {
                // The server's own words: it stopped half way.
                StatusCode::INTERNAL_SERVER_ERROR if said.is_some() => CarriedOut::Perhaps,
                StatusCode::SERVICE_UNAVAILABLE if has_no_server(answer) => CarriedOut::Hardly,
                // The words of a gateway, which does not know what the server does.
                _ => CarriedOut::PerhapsYet,
            };
            let error = told(Kind::Server, message, "try again later, or look at the log of the pod `ml-pipeline`");
            Failure { error, carried_out, passing: true, wait: answer.retry_after }
        }
    }
}

/// Whether a gateway has nobody to give a request to: so says Envoy, and others ask to come back later.
fn has_no_server(answer: &Answer) -> bool {
    answer.retry_after.is_some() || answer.body.starts_with(b"no healthy upstream")
}

/// A redirection: a page to log in, or a server that has another URL. None is followed, since credentials would go along.
fn elsewhere(answer: &Answer, asked: &Asked<'_>) -> KubeflowError {
    // A query may hold a state that is nobody's business.
    let location = answer.location.as_deref().unwrap_or_default();
    let location = location.split(['?', '#']).next().unwrap_or_default();
    let message = format!("cannot {}: `{}` sends us to `{location}`", asked.action, asked.url);
    let is_moved = matches!(answer.status.as_u16(), 301 | 308);
    let help = if is_moved {
        "if that is where the server is now, add the context with that URL".to_owned()
    } else {
        format!("that is probably where people log in: it does not know {}. {}", asked.credentials, asked.remedy)
    };
    let kind = if is_moved { Kind::Foreign } else { Kind::Unauthorized };
    KubeflowError::new(kind, message, help)
}

/// Something else than the API answers.
pub fn foreign(asked: &Asked<'_>, what: &str) -> KubeflowError {
    let message = format!("cannot {}: `{}` {what}", asked.action, asked.url);
    let help = "see that the URL is that of Kubeflow Pipelines: behind a gateway it mostly ends with `/pipeline`";
    KubeflowError::new(Kind::Foreign, message, help)
}

/// A page where an answer was expected: behind a gateway it is where people log in.
pub fn login_page(asked: &Asked<'_>) -> KubeflowError {
    let message = format!("cannot {}: `{}` answers with a web page", asked.action, asked.url);
    let help = format!(
        "it is probably where people log in: the gateway does not know {}. {}. Or the URL is not that of the API: behind a \
         gateway it mostly ends with `/pipeline`",
        asked.credentials, asked.remedy
    );
    KubeflowError::new(Kind::Unauthorized, message, help)
}

/// The longest sentence of a server that is repeated.
const LONGEST: usize = 600;

/// What the server says itself, on one line: `google.rpc.Status`, an error of Kubernetes, or one of the older API.
fn said(answer: &Answer) -> Option<String> {
    let value: Value = serde_json::from_slice(&answer.body).ok()?;
    let text = ["message", "error_message", "error"].iter().find_map(|key| value.get(*key)?.as_str())?;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    })
}

/// Whether it is `google.rpc.Status` of what is not there.
fn says_not_found(answer: &Answer) -> bool {
    const NOT_FOUND: u64 = 5;
    let status: Option<Value> = serde_json::from_slice(&answer.body).ok();
    status.is_some_and(|status| status["code"].as_u64() == Some(NOT_FOUND))
}

/// Seconds, as servers mostly write it. A date would need a clock that agrees with theirs.
pub fn retry_after(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}
