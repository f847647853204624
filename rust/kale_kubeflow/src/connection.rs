//! One request and its answer: TLS, credentials, time-outs, attempts.
//!
//! Reading is tried again where that may help. What makes something has rules of its own (`making.rs`).

use std::fs::File;
use std::io::{self, Seek, Write};
use std::thread;
use std::time::Instant;

use prost::Message;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use url::Url;

use crate::access::{Access, access, client};
use crate::context::Cluster;
use crate::credentials::Credentials;
use crate::error::{Kind, KubeflowError, deepest};
use crate::grpc_web::{self, Fault};
use crate::patience::{HURRY, Patience};
use crate::request::{Body, Request, form};
use crate::status::{self, Answer, Asked, CarriedOut, Failure};

/// What is read of an answer that does not go to a file: Kubeflow Pipelines has none that is longer, but for logs without
/// end.
const LARGEST_ANSWER: u64 = 256 << 20;

pub struct Connection {
    runtime: Runtime,
    http: reqwest::Client,
    /// The same without the client's certificate, for servers that are shown no credentials.
    bare: Option<reqwest::Client>,
    base: Url,
    namespace: Option<String>,
    credentials: Credentials,
    patience: Patience,
}

impl Connection {
    /// Looks up what the context refers to. Nothing is sent yet.
    pub fn open(cluster: &Cluster, patience: Patience) -> Result<Connection, KubeflowError> {
        let access = access(cluster)?;
        let http = client(&access, access.identity.as_ref(), &patience)?;
        let bare = access.identity.as_ref().map(|_| client(&access, None, &patience)).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
            KubeflowError::new(Kind::Unreachable, format!("no connection can be made here: {error}"), "")
        })?;
        let Access { base, credentials, .. } = access;
        Ok(Connection { runtime, http, bare, base, namespace: cluster.namespace.clone(), credentials, patience })
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

    pub fn patience(&self) -> &Patience {
        &self.patience
    }

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub fn forget_credentials(&mut self) {
        self.credentials = Credentials::Nothing;
    }

    /// Reads, or does what may be done twice: again and again while that may help.
    pub fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, KubeflowError> {
        self.patiently(request, || self.send(request).and_then(|answer| self.read(answer, request)))
    }

    /// As [`Connection::ask`], of what is no JSON.
    pub fn ask_for_bytes(&self, request: &Request) -> Result<Vec<u8>, KubeflowError> {
        self.patiently(request, || Ok(self.no_page(self.send(request)?, request)?.body))
    }

    /// Whether a web page is where it is asked for.
    pub fn is_page(&self, request: &Request) -> Result<bool, KubeflowError> {
        let is_page = |answer: Answer| answer.is_html || answer.body.trim_ascii_start().starts_with(b"<");
        self.patiently(request, || self.send(request).map(is_page))
    }

    /// As [`Connection::ask`], of what may be large: it goes to a file, unless it is longer than `limit` bytes.
    pub fn download(&self, request: &Request, into: &File, limit: Option<u64>) -> Result<(), KubeflowError> {
        let sink = Sink { file: into, limit: limit.unwrap_or(u64::MAX) };
        self.patiently(request, || self.no_page(self.send_to(request, Some(&sink))?, request).map(|_| ()))
    }

    /// As [`Connection::ask`], of a service that speaks gRPC.
    pub fn call<M: Message + Default>(&self, request: &Request, message: &impl Message) -> Result<M, KubeflowError> {
        let request = request.clone().message(grpc_web::framed(message));
        self.patiently(&request, || self.send(&request).and_then(|answer| self.unframe(&answer, &request)))
    }

    /// Again and again, while another attempt may go well.
    pub fn patiently<T>(
        &self,
        request: &Request,
        attempt: impl Fn() -> Result<T, Failure>,
    ) -> Result<T, KubeflowError> {
        let mut attempts = 1;
        loop {
            let failure = match attempt() {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let is_worth_it = failure.passing && !request.is_hurried;
            match self.patience.wait(attempts, failure.wait).filter(|_| is_worth_it) {
                Some(wait) => thread::sleep(wait),
                None => return Err(failure.error),
            }
            attempts += 1;
        }
    }

    pub fn send(&self, request: &Request) -> Result<Answer, Failure> {
        self.send_to(request, None)
    }

    /// One attempt. Where credentials are not taken and newer ones are there, it is made with these: it was turned away.
    fn send_to(&self, request: &Request, sink: Option<&Sink<'_>>) -> Result<Answer, Failure> {
        if !request.shows_credentials() {
            return self.send_with(request, None, sink).and_then(|answer| self.judge(answer, request));
        }
        let header = self.credentials.header().map_err(Failure::lasting)?;
        let answer = self.send_with(request, header.clone(), sink)?;
        if answer.status != reqwest::StatusCode::UNAUTHORIZED {
            return self.judge(answer, request);
        }
        self.credentials.renew().map_err(Failure::lasting)?;
        let renewed = self.credentials.header().map_err(Failure::lasting)?;
        let answer = if renewed == header { answer } else { self.send_with(request, renewed, sink)? };
        self.judge(answer, request)
    }

    fn send_with(
        &self,
        request: &Request,
        header: Option<(HeaderName, HeaderValue)>,
        sink: Option<&Sink<'_>>,
    ) -> Result<Answer, Failure> {
        let Some(url) = request.url(&self.base) else {
            let message = format!("cannot {}: its path leads elsewhere (`{}`)", request.action, request.path);
            return Err(Failure::lasting(KubeflowError::usage(message, "no id and no key has such a part")));
        };
        let accepted = match request.body {
            Body::Message(_) => grpc_web::CONTENT_TYPE,
            _ => "application/json",
        };
        let http = self.bare.as_ref().filter(|_| !request.shows_credentials()).unwrap_or(&self.http);
        let mut building = http.request(request.method.clone(), url).header(ACCEPT, accepted);
        building = match &request.body {
            Body::None => building,
            Body::Json(value) => building.header(CONTENT_TYPE, "application/json").body(value.to_string()),
            Body::Message(framed) => {
                building.header(CONTENT_TYPE, grpc_web::CONTENT_TYPE).header("X-Grpc-Web", "1").body(framed.clone())
            }
            Body::File { name, content } => {
                let (kind, body) = form(name, content);
                building.header(CONTENT_TYPE, kind).body(body)
            }
        };
        if request.is_hurried {
            building = building.timeout(HURRY);
        } else if sink.is_none() {
            building = building.timeout(self.patience.whole());
        }
        if let Some((name, value)) = header {
            building = building.header(name, value);
        }
        let begun = Instant::now();
        let no_answer = |error: reqwest::Error| self.no_answer(request, &error, begun);
        self.runtime.block_on(async {
            let mut answer = building.send().await.map_err(no_answer)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            if let Some(sink) = sink.filter(|_| status.is_success()) {
                let mut length = sink.begin()?;
                refuse_beyond(sink.limit, request, answer.content_length().unwrap_or_default())?;
                while let Some(piece) = answer.chunk().await.map_err(no_answer)? {
                    length += piece.len() as u64;
                    sink.write(request, &piece, length)?;
                }
                return Ok(received(status, &headers, vec![]));
            }
            let mut body = vec![];
            while let Some(piece) = answer.chunk().await.map_err(no_answer)? {
                body.extend_from_slice(&piece);
                refuse_beyond(LARGEST_ANSWER, request, body.len() as u64)?;
            }
            Ok(received(status, &headers, body))
        })
    }

    fn asked<'a>(&'a self, request: &'a Request, words: &'a [String; 2]) -> Asked<'a> {
        let [credentials, remedy] = words;
        Asked { action: &request.action, url: self.server(request), namespace: self.namespace(), credentials, remedy }
    }

    /// The server that a request goes to.
    fn server<'a>(&'a self, request: &'a Request) -> &'a str {
        let url = request.to.as_ref().map_or(&self.base, |neighbour| &neighbour.url);
        url.as_str().trim_end_matches('/')
    }

    /// The credentials that a request shows, and what to do when they are not taken.
    fn words(&self, request: &Request) -> [String; 2] {
        if request.shows_credentials() {
            return [self.credentials.reference(), self.credentials.remedy()];
        }
        let remedy = "what lets us into the API is not for this address: only the token or the cookie of a gateway \
                      (`--auth token-env:VAR` and the like) goes to that of `--ui`, too, if both have https";
        ["no credentials".to_owned(), remedy.to_owned()]
    }

    fn judge(&self, answer: Answer, request: &Request) -> Result<Answer, Failure> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        let mut failure = status::failure(&answer, &self.asked(request, &self.words(request)));
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

    /// Behind a gateway, a page in place of an answer is one to log in.
    fn no_page(&self, answer: Answer, request: &Request) -> Result<Answer, Failure> {
        if answer.is_html {
            return Err(Failure::lasting(status::login_page(&self.asked(request, &self.words(request)))));
        }
        Ok(answer)
    }

    /// What an answer of success holds.
    pub fn read<T: DeserializeOwned>(&self, answer: Answer, request: &Request) -> Result<T, Failure> {
        let answer = self.no_page(answer, request)?;
        // What the parser says might quote what it read; where it stopped is enough to see that an answer was cut off.
        serde_json::from_slice(&answer.body).map_err(|error| {
            let size = answer.body.len();
            let what = if error.is_eof() { "was cut off" } else { "is not what the API of version v2beta1 gives" };
            let server = self.server(request);
            let message = format!("cannot {}: the answer of `{server}` {what} ({size} bytes)", request.action);
            let error = KubeflowError::new(Kind::Server, message, "try again; if it stays so, see what is in between");
            // It was a success, so it was carried out: to send it again cannot be right.
            Failure { error, carried_out: CarriedOut::Perhaps, passing: true, wait: None }
        })
    }

    /// The message that an answer of success holds.
    fn unframe<M: Message + Default>(&self, answer: &Answer, request: &Request) -> Result<M, Failure> {
        let refused = answer.grpc_status.clone().map_or(Ok(()), |(code, said)| Err(Fault::Refused(code, said)));
        refused.and_then(|()| grpc_web::unframed(&answer.body)).map_err(|fault| match fault {
            Fault::Refused(code, said) => {
                let message = format!("cannot {}: the service of metadata says: {said} ({code})", request.action);
                let help = "see the log of the deployment `metadata-grpc-deployment`, or try again later";
                Failure::lasting(KubeflowError::new(Kind::Refused, self.without_secrets(message), help))
            }
            Fault::Unreadable => {
                let words = self.words(request);
                Failure::lasting(status::foreign(&self.asked(request, &words), "has no service of metadata"))
            }
        })
    }

    fn no_answer(&self, request: &Request, error: &reqwest::Error, begun: Instant) -> Failure {
        let (action, url, reason) = (&request.action, self.server(request), deepest(error));
        let never_sent = error.is_connect() || error.is_builder();
        let (what, help) = if error.is_timeout() && !never_sent {
            (
                format!("did not answer in {:.0} s", begun.elapsed().as_secs_f64()),
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
        let carried_out = if never_sent { CarriedOut::No } else { CarriedOut::PerhapsYet };
        let passing = !is_about_certificates(&reason) && !error.is_builder();
        Failure { error: KubeflowError::new(Kind::Unreachable, message, help), carried_out, passing, wait: None }
    }
}

/// Where a large answer goes.
struct Sink<'a> {
    file: &'a File,
    limit: u64,
}

impl Sink<'_> {
    /// Another attempt may have come half way.
    fn begin(&self) -> Result<u64, Failure> {
        let mut file = self.file;
        file.set_len(0).and_then(|()| file.rewind()).map_err(unwritable)?;
        Ok(0)
    }

    fn write(&self, request: &Request, piece: &[u8], length: u64) -> Result<(), Failure> {
        let mut file = self.file;
        refuse_beyond(self.limit, request, length)?;
        file.write_all(piece).map_err(unwritable)
    }
}

fn refuse_beyond(limit: u64, request: &Request, length: u64) -> Result<(), Failure> {
    if length <= limit {
        return Ok(());
    }
    let message = format!("cannot {}: it is longer than {limit} bytes", request.action);
    Err(Failure::lasting(KubeflowError::new(Kind::TooLong, message, "see on its page what it holds")))
}

fn unwritable(error: io::Error) -> Failure {
    Failure::lasting(KubeflowError::new(Kind::File, format!("it cannot be written: {error}"), "free space on the disk"))
}

const CERTIFICATES: &str = "if an authority of your own has signed it, add the context with `--ca FILE`; see also whether \
                            the URL has the name that the certificate is for";

fn is_about_certificates(reason: &str) -> bool {
    reason.contains("certificate") || reason.contains("UnknownIssuer")
}

fn received(status: reqwest::StatusCode, headers: &HeaderMap, body: Vec<u8>) -> Answer {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Answer {
        status,
        is_html: text(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("text/html")),
        location: text(LOCATION.as_str()).map(str::to_owned),
        retry_after: text(RETRY_AFTER.as_str()).and_then(status::retry_after),
        grpc_status: grpc_web::status(text),
        body,
    }
}
