//! gRPC as browsers speak it, for the one service of Kubeflow Pipelines that has no REST API: one message there, one
//! back, each behind a byte of flags and four of length, and then the status, as lines of text in a frame of its own.

use prost::Message;

pub const CONTENT_TYPE: &str = "application/grpc-web+proto";
/// Set in the flags of the frame that has the status.
const TRAILERS: u8 = 0x80;
const HEAD: usize = 5;

/// A message as the body of a request.
pub fn framed(message: &impl Message) -> Vec<u8> {
    let content = message.encode_to_vec();
    let length = u32::try_from(content.len()).expect("requests are short");
    [&[0][..], &length.to_be_bytes(), &content].concat()
}

/// Why a body is no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not what such servers send, or not all of it.
    Unreadable,
    /// The status that the service gives, by its number, and what it says.
    Refused(u32, String),
}

/// The message of an answer.
pub fn unframed<M: Message + Default>(body: &[u8]) -> Result<M, Fault> {
    let (mut rest, mut message) = (body, None);
    while !rest.is_empty() {
        let (head, more) = rest.split_at_checked(HEAD).ok_or(Fault::Unreadable)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let (content, more) = more.split_at_checked(length as usize).ok_or(Fault::Unreadable)?;
        if head[0] & TRAILERS != 0 {
            refused(&String::from_utf8_lossy(content))?;
        } else {
            message = Some(M::decode(content).map_err(|_| Fault::Unreadable)?);
        }
        rest = more;
    }
    message.ok_or(Fault::Unreadable)
}

fn refused(trailers: &str) -> Result<(), Fault> {
    let field = |name: &str| {
        let mut fields = trailers.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    status(field).map_or(Ok(()), |(code, said)| Err(Fault::Refused(code, said)))
}

/// The status that says that a call has failed: among the trailers, or where there is nothing else, among the headers of
/// HTTP.
pub fn status<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Option<(u32, String)> {
    let code = field("grpc-status")?.parse().ok().filter(|code| *code != 0)?;
    Some((code, decoded(field("grpc-message").unwrap_or_default())))
}

/// Words of a status are percent-encoded UTF-8.
fn decoded(text: &str) -> String {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let digits = more.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Word {
        #[prost(string, tag = "1")]
        text: String,
    }

    fn trailers(text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap();
        [&[TRAILERS][..], &length.to_be_bytes(), text.as_bytes()].concat()
    }

    #[test]
    fn what_was_framed_comes_back() {
        let word = Word { text: "four".to_owned() };
        let body = [framed(&word), trailers("grpc-status:0\r\n")].concat();
        assert_eq!(unframed(&body), Ok(word));
    }

    #[test]
    fn a_status_is_told() {
        let body = trailers("grpc-status: 5\r\ngrpc-message: no such run: 100%25 %C3%A9 %x\r\n");
        assert_eq!(unframed::<Word>(&body), Err(Fault::Refused(5, "no such run: 100% é %x".to_owned())));
    }

    #[test]
    fn what_is_cut_off_is_no_answer() {
        let body = framed(&Word { text: "four".to_owned() });
        assert!((0..body.len()).all(|end| unframed::<Word>(&body[..end]) == Err(Fault::Unreadable)));
        assert_eq!(unframed::<Word>(b"<html>\n<body>"), Err(Fault::Unreadable));
    }
}
