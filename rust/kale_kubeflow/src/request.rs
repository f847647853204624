//! What is asked of a server: a request as a value, which may be sent more than once.

use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::neighbours::Neighbour;

/// What is asked of the server.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub body: Body,
    /// What is to be done, for words: `list runs`.
    pub action: String,
    /// Another server than that of the API.
    pub to: Option<Neighbour>,
    /// Whoever asks has something else to do: it is sent once, and not waited for for long.
    pub is_hurried: bool,
}

#[derive(Clone, Debug)]
pub enum Body {
    None,
    Json(Value),
    /// A message of gRPC, framed.
    Message(Vec<u8>),
    /// A file, as the one part of a form.
    File {
        name: String,
        content: Vec<u8>,
    },
}

impl Request {
    fn new(method: Method, path: impl Into<String>, action: impl Into<String>) -> Request {
        Request {
            method,
            path: path.into(),
            query: vec![],
            body: Body::None,
            action: action.into(),
            to: None,
            is_hurried: false,
        }
    }

    pub fn get(path: impl Into<String>, action: impl Into<String>) -> Request {
        Request::new(Method::GET, path, action)
    }

    pub fn post(path: impl Into<String>, action: impl Into<String>) -> Request {
        Request::new(Method::POST, path, action)
    }

    pub fn delete(path: impl Into<String>, action: impl Into<String>) -> Request {
        Request::new(Method::DELETE, path, action)
    }

    /// Adds to the query what is there.
    pub fn with(mut self, name: &'static str, value: Option<impl Into<String>>) -> Request {
        self.query.extend(value.map(|value| (name, value.into())));
        self
    }

    pub fn json(mut self, body: Value) -> Request {
        self.body = Body::Json(body);
        self
    }

    pub fn message(mut self, framed: Vec<u8>) -> Request {
        self.body = Body::Message(framed);
        self
    }

    /// Asks another server than that of the API.
    pub fn at(mut self, neighbour: &Neighbour) -> Request {
        self.to = Some(neighbour.clone());
        self
    }

    pub fn hurried(mut self, is_hurried: bool) -> Request {
        self.is_hurried = is_hurried;
        self
    }

    /// Whether the credentials of the context go along.
    pub fn shows_credentials(&self) -> bool {
        self.to.as_ref().is_none_or(|neighbour| neighbour.is_shown_credentials)
    }

    /// What is asked, of the server of the API at `api` where no other is meant. Ids and keys come from servers, and
    /// what Kubernetes lets us do is more than what they are about: none leads out of where it stands.
    pub fn url(&self, api: &Url) -> Option<Url> {
        let is_dots = |part: &str| matches!(part.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
        if self.path.split(['/', '\\']).any(is_dots) {
            return None;
        }
        let mut url = self.to.as_ref().map_or(api, |neighbour| &neighbour.url).clone();
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), self.path));
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Some(url)
    }

    pub fn file(mut self, name: &str, content: Vec<u8>) -> Request {
        self.body = Body::File { name: name.to_owned(), content };
        self
    }
}

/// A form of one file: its content type and its bytes. The boundary comes from the content, so that it is not in it by
/// chance, and the same file is the same request.
pub fn form(name: &str, content: &[u8]) -> (String, Vec<u8>) {
    let boundary = blake3::hash(content).to_hex();
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"uploadfile\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    (format!("multipart/form-data; boundary={boundary}"), [head.as_bytes(), content, tail.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_its_place() {
        let api: Url = "https://10.0.0.1:6443/api/v1/services/x/proxy".parse().unwrap();
        let url = |path: &str| Request::get(path, "").url(&api).map(|url| url.path().to_owned());
        assert_eq!(url("/artifacts/a..b/...//c").unwrap(), "/api/v1/services/x/proxy/artifacts/a..b/...//c");
        for dots in ["..", ".", "%2E%2e", ".%2e", "%2e"] {
            let path = format!("/artifacts/a/{dots}/secrets");
            assert_eq!(url(&path), None, "{path}");
            let (mut walked, kept) = (api.clone(), format!("{}{path}", api.path()));
            walked.set_path(&kept);
            assert_ne!(walked.path(), kept, "the URL standard walks");
        }
    }
}
