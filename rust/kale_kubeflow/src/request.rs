//! What is asked of a server: a request as a value, which may be sent more than once.

use reqwest::Method;
use serde_json::Value;
use url::Url;

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
    pub base: Option<Url>,
}

#[derive(Clone, Debug)]
pub enum Body {
    None,
    Json(Value),
    /// A file, as the one part of a form.
    File {
        name: String,
        content: Vec<u8>,
    },
}

impl Request {
    fn new(method: Method, path: impl Into<String>, action: impl Into<String>) -> Request {
        Request { method, path: path.into(), query: vec![], body: Body::None, action: action.into(), base: None }
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

    /// Asks the server of the pages, which may be another one.
    pub fn at(mut self, base: Url) -> Request {
        self.base = Some(base);
        self
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
