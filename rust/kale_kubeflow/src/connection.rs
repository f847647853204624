//! One request and its answer: TLS, credentials, time-outs, attempts.
//!
//! Reading is tried again where that may help. What makes something is sent again only when it is known not to have
//! arrived, or after a look at whether it is there: see [`Connection::create`].

use std::thread;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use url::Url;

use crate::access::{Access, access, client};
use crate::context::Cluster;
use crate::credentials::Credentials;
use crate::error::{Kind, KubeflowError, deepest};
use crate::patience::Patience;
use crate::request::{Body, Request, form};
use crate::status::{self, Answer, Asked, CarriedOut, Failure};

/// How often it is looked for what may have been made, before it is taken not to be there.
const LOOKS: u32 = 3;

pub struct Connection {
    runtime: Runtime,
    http: reqwest::Client,
    base: Url,
    namespace: Option<String>,
    credentials: Credentials,
    patience: Patience,
}

impl Connection {
    /// Looks up what the context refers to. Nothing is sent yet.
    pub fn open(cluster: &Cluster, patience: Patience) -> Result<Connection, KubeflowError> {
        let access = access(cluster)?;
        let http = client(&access, &patience)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
            KubeflowError::new(Kind::Unreachable, format!("no connection can be made here: {error}"), "")
        })?;
        let Access { base, credentials, .. } = access;
        Ok(Connection { runtime, http, base, namespace: cluster.namespace.clone(), credentials, patience })
    }

    /// Where requests go, without a slash at the end.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub fn base_url(&self) -> &Url {
        &self.base
    }

    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub fn forget_credentials(&mut self) {
        self.credentials = Credentials::Nothing;
    }

    /// Reads, or does what may be done twice: again and again while that may help.
    pub fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, KubeflowError> {
        self.patiently(|| self.send(request).and_then(|answer| self.read(&answer, request)))
    }

    /// As [`Connection::ask`], of what is no JSON.
    pub fn ask_for_bytes(&self, request: &Request) -> Result<Vec<u8>, KubeflowError> {
        self.patiently(|| self.send(request).map(|answer| answer.body))
    }

    fn patiently<T>(&self, attempt: impl Fn() -> Result<T, Failure>) -> Result<T, KubeflowError> {
        let mut attempts = 1;
        loop {
            let failure = match attempt() {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match self.patience.wait(attempts, failure.wait).filter(|_| failure.passing) {
                Some(wait) => thread::sleep(wait),
                None => return Err(failure.error),
            }
            attempts += 1;
        }
    }

    /// Makes something, once. Where it is not known whether a request was carried out, `find` looks for what it makes,
    /// and only when that is not there, and nothing can be on its way any more, it is sent again.
    pub fn create<T: DeserializeOwned>(
        &self,
        request: &Request,
        find: impl Fn() -> Result<Option<T>, KubeflowError>,
    ) -> Result<T, KubeflowError> {
        let mut attempts = 1;
        loop {
            let failure = match self.send(request).and_then(|answer| self.read(&answer, request)) {
                Ok(made) => return Ok(made),
                Err(failure) => failure,
            };
            if failure.carried_out != CarriedOut::No
                && let Some(found) = self.look(request, &failure, &find)?
            {
                return Ok(found);
            }
            let again = failure.passing && failure.carried_out != CarriedOut::PerhapsYet;
            match self.patience.wait(attempts, failure.wait).filter(|_| again) {
                Some(wait) => thread::sleep(wait),
                None if failure.carried_out == CarriedOut::PerhapsYet => {
                    return Err(unknown(&request.action, &failure));
                }
                None => return Err(failure.error),
            }
            attempts += 1;
        }
    }

    /// Looks a few times for what a request may have made: a server may be slow to show it.
    fn look<T>(
        &self,
        request: &Request,
        failure: &Failure,
        find: &impl Fn() -> Result<Option<T>, KubeflowError>,
    ) -> Result<Option<T>, KubeflowError> {
        for look in 1..=LOOKS {
            if let Some(found) = find().map_err(|_| unknown(&request.action, failure))? {
                return Ok(Some(found));
            }
            if let Some(wait) = self.patience.wait(look, None).filter(|_| look < LOOKS) {
                thread::sleep(wait);
            }
        }
        Ok(None)
    }

    /// One attempt. Where credentials are not taken and newer ones are there, it is made with these: it was turned away.
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let header = self.credentials.header().map_err(Failure::lasting)?;
        let answer = self.send_with(request, header.clone())?;
        if answer.status != reqwest::StatusCode::UNAUTHORIZED {
            return self.judge(answer, request);
        }
        self.credentials.renew().map_err(Failure::lasting)?;
        let renewed = self.credentials.header().map_err(Failure::lasting)?;
        let answer = if renewed == header { answer } else { self.send_with(request, renewed)? };
        self.judge(answer, request)
    }

    fn send_with(&self, request: &Request, header: Option<(HeaderName, HeaderValue)>) -> Result<Answer, Failure> {
        let mut url = request.base.clone().unwrap_or_else(|| self.base.clone());
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut building = self.http.request(request.method.clone(), url).header(ACCEPT, "application/json");
        building = match &request.body {
            Body::None => building,
            Body::Json(value) => building.header(CONTENT_TYPE, "application/json").body(value.to_string()),
            Body::File { name, content } => {
                let (kind, body) = form(name, content);
                building.header(CONTENT_TYPE, kind).body(body)
            }
        };
        if let Some((name, value)) = header {
            building = building.header(name, value);
        }
        self.runtime.block_on(async {
            let answer = building.send().await.map_err(|error| self.no_answer(request, &error))?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = answer.bytes().await.map_err(|error| self.no_answer(request, &error))?;
            Ok(received(status, &headers, body.to_vec()))
        })
    }

    fn asked<'a>(&'a self, request: &'a Request, words: &'a [String; 2]) -> Asked<'a> {
        let [credentials, remedy] = words;
        Asked { action: &request.action, url: self.base(), namespace: self.namespace(), credentials, remedy }
    }

    fn words(&self) -> [String; 2] {
        [self.credentials.reference(), self.credentials.remedy()]
    }

    fn judge(&self, answer: Answer, request: &Request) -> Result<Answer, Failure> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        let mut failure = status::failure(&answer, &self.asked(request, &self.words()));
        failure.error.message = self.without_secrets(failure.error.message);
        Err(failure)
    }

    /// A server may repeat what it was shown.
    fn without_secrets(&self, text: String) -> String {
        let Ok(Some((_, value))) = self.credentials.header() else { return text };
        let parts = value.to_str().unwrap_or_default().split([' ', ';', '=']);
        let secrets = parts.filter(|part| part.len() > "Bearer".len());
        secrets.fold(text, |text, secret| text.replace(secret, "***"))
    }

    /// What an answer of success holds.
    fn read<T: DeserializeOwned>(&self, answer: &Answer, request: &Request) -> Result<T, Failure> {
        if answer.is_html {
            return Err(Failure::lasting(status::login_page(&self.asked(request, &self.words()))));
        }
        // What the parser says might quote what it read; where it stopped is enough to see that an answer was cut off.
        serde_json::from_slice(&answer.body).map_err(|error| {
            let size = answer.body.len();
            let what = if error.is_eof() { "was cut off" } else { "is not what the API of version v2beta1 gives" };
            let message = format!("cannot {}: the answer of `{}` {what} ({size} bytes)", request.action, self.base());
            let error = KubeflowError::new(Kind::Server, message, "try again; if it stays so, see what is in between");
            // It was a success, so it was carried out: to send it again cannot be right.
            Failure { error, carried_out: CarriedOut::PerhapsYet, passing: true, wait: None }
        })
    }

    fn no_answer(&self, request: &Request, error: &reqwest::Error) -> Failure {
        let (action, url, reason) = (&request.action, self.base(), deepest(error));
        let never_sent = error.is_connect() || error.is_builder();
        let (what, help) = if error.is_timeout() && !never_sent {
            let seconds = self.patience.read.as_secs_f64();
            (
                format!("did not answer in {seconds:.0} s"),
                "see whether the server is busy; `kale-rs context test` looks",
            )
        } else if is_about_certificates(&reason) {
            (format!("has a certificate that is not trusted: {reason}"), CERTIFICATES)
        } else if never_sent {
            (format!("cannot be reached: {reason}"), "see the URL, the network, and the proxy (HTTPS_PROXY, NO_PROXY)")
        } else {
            (format!("broke off: {reason}"), "see the network, and what is in between")
        };
        let message = format!("cannot {action}: `{url}` {what}");
        let carried_out = match (never_sent, error.is_timeout()) {
            (true, _) => CarriedOut::No,
            (false, true) => CarriedOut::PerhapsYet,
            (false, false) => CarriedOut::Perhaps,
        };
        let passing = !is_about_certificates(&reason) && !error.is_builder();
        Failure { error: KubeflowError::new(Kind::Unreachable, message, help), carried_out, passing, wait: None }
    }
}

const CERTIFICATES: &str = "if an authority of your own has signed it, add the context with `--ca FILE`; see also whether \
                            the URL has the name that the certificate is for";

fn is_about_certificates(reason: &str) -> bool {
    reason.contains("certificate") || reason.contains("UnknownIssuer")
}

/// It may have been carried out, and nobody can tell.
fn unknown(action: &str, failure: &Failure) -> KubeflowError {
    let message = format!("it is not known whether it worked to {action}: {}", failure.error.message);
    let help = "nothing was sent a second time: look whether it is there before you try again";
    KubeflowError::new(Kind::Unknown, message, help)
}

fn received(status: reqwest::StatusCode, headers: &HeaderMap, body: Vec<u8>) -> Answer {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    Answer {
        status,
        is_html: text(CONTENT_TYPE).is_some_and(|kind| kind.contains("text/html")),
        location: text(LOCATION).map(str::to_owned),
        retry_after: text(RETRY_AFTER).and_then(status::retry_after),
        body,
    }
}
