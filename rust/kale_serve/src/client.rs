//! The other end of HTTP: what those ask who have a server started, and show it to people.

use std::io;
use std::time::Duration;

use axum::http::{Request, Uri, header, request};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::status::{STATUS, Status};

/// A server that runs, as those see it who ask.
#[derive(Clone, Debug)]
pub struct Client {
    pub url: String,
    /// What it wants to be shown.
    pub token: Option<String>,
    /// So long an answer may take.
    pub patience: Duration,
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub body: Bytes,
}

impl Client {
    /// `None`: it has another answer, such as that it wants a token.
    pub fn status(&self) -> io::Result<Option<Status>> {
        let response = self.get(STATUS)?;
        Ok(serde_json::from_slice(&response.body).ok().filter(|_| response.status == 200))
    }

    pub fn get(&self, path: &str) -> io::Result<Response> {
        self.ask(Request::get(path), Bytes::new())
    }

    /// Sends JSON.
    pub fn post(&self, path: &str, body: Vec<u8>) -> io::Result<Response> {
        self.ask(Request::post(path).header(header::CONTENT_TYPE, "application/json"), body.into())
    }

    fn ask(&self, request: request::Builder, body: Bytes) -> io::Result<Response> {
        let address: Uri = self.url.parse().map_err(io::Error::other)?;
        let host = address.authority().map(ToString::to_string).unwrap_or_default();
        let mut request = request.header(header::HOST, &host);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body)).map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let answered = tokio::time::timeout(self.patience, exchange(&host, request)).await;
            answered.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        })
    }
}

async fn exchange(host: &str, request: Request<Full<Bytes>>) -> io::Result<Response> {
    let stream = TcpStream::connect(host).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // It ends with the runtime, which is this request's.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    Ok(Response { status, body })
}
