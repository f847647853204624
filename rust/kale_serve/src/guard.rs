//! Who may ask.

use axum::http::{HeaderMap, header};

/// What a request has to show. Without a token, on a server for this machine alone, a page that has another name lead
/// here (DNS rebinding) is turned away by the name it asked for.
pub struct Guard {
    pub token: Option<String>,
    pub is_loopback: bool,
}

#[derive(Debug, PartialEq)]
pub enum Denied {
    NoToken,
    OtherHost(String),
}

impl Guard {
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        match &self.token {
            Some(token) => {
                let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
                let shown = shown
                    .and_then(|value| value.split_once(' '))
                    .filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
                if shown.is_some_and(|(_, shown)| is_equal(shown.trim(), token)) {
                    Ok(())
                } else {
                    Err(Denied::NoToken)
                }
            }
            None if self.is_loopback => check_host(headers),
            None => Ok(()),
        }
    }
}

fn check_host(headers: &HeaderMap) -> Result<(), Denied> {
    let Some(host) = headers.get(header::HOST) else { return Ok(()) };
    let host = String::from_utf8_lossy(host.as_bytes()).to_ascii_lowercase();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    if is_address || name == "localhost" || name.ends_with(".localhost") {
        return Ok(());
    }
    Err(Denied::OtherHost(host))
}

/// In a time that says nothing about where they differ.
fn is_equal(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    left.len() == right.len() && left.iter().zip(right).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}
