//! What the server and a worker say to each other; `python/kale_runtime/serving/frames.py` is the other end.
//!
//! ```text
//! length of the head (u32) | length of the body (u64) | head: JSON | body: tensors
//! ```
//!
//! Little-endian. Tensors, and the body itself, begin at multiples of 8 bytes.

use std::io;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::protocol::v1::Instances;
use crate::protocol::v2::Parameters;
use crate::protocol::{Datatype, Tensor};

const LENGTHS: usize = 12;
const ALIGNMENT: usize = 8;
/// A request as the model's process gets it.
#[derive(Clone, Debug)]
pub enum Question {
    Instances(Instances),
    Inputs { tensors: Vec<Tensor>, parameters: Parameters },
}

impl Question {
    pub fn rows(&self) -> usize {
        match self {
            Question::Instances(Instances::Tensor(tensor)) => tensor.rows(),
            Question::Instances(Instances::Json { rows, .. }) => *rows,
            Question::Inputs { tensors, .. } => tensors.first().map_or(1, Tensor::rows),
        }
    }

    /// Bytes that it has in memory.
    pub fn size(&self) -> usize {
        self.parts().map(Bytes::len).sum()
    }

    fn parts(&self) -> impl Iterator<Item = &Bytes> {
        let (tensors, text): (&[Tensor], Option<&Bytes>) = match self {
            Question::Instances(Instances::Tensor(tensor)) => (std::slice::from_ref(tensor), None),
            Question::Instances(Instances::Json { text, .. }) => (&[], Some(text)),
            Question::Inputs { tensors, .. } => (tensors, None),
        };
        tensors.iter().map(|tensor| &tensor.data).chain(text)
    }

    fn head<'a>(&'a self, id: &'a str) -> Asked<'a> {
        let mut asked = Asked { id, protocol: "v1", instances: None, inputs: None, parameters: None };
        match self {
            Question::Instances(Instances::Tensor(tensor)) => {
                asked.instances = Some(Data::Tensor(TensorHead::of(tensor)))
            }
            Question::Instances(Instances::Json { text, .. }) => {
                asked.instances = Some(Data::Json { json: text.len() })
            }
            Question::Inputs { tensors, parameters } => {
                asked.protocol = "v2";
                asked.inputs = Some(tensors.iter().map(TensorHead::of).collect());
                asked.parameters = (!parameters.is_empty()).then_some(parameters);
            }
        }
        asked
    }
}

#[derive(Serialize)]
struct Predict<'a> {
    kind: &'a str,
    requests: Vec<Asked<'a>>,
}

#[derive(Serialize)]
struct Asked<'a> {
    id: &'a str,
    protocol: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instances: Option<Data<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<Vec<TensorHead<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Parameters>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Tensor(TensorHead<'a>),
    Json { json: usize },
}

#[derive(Serialize)]
struct TensorHead<'a> {
    name: &'a str,
    datatype: &'a str,
    shape: &'a [u64],
    size: usize,
}

impl<'a> TensorHead<'a> {
    fn of(tensor: &'a Tensor) -> TensorHead<'a> {
        let (datatype, size) = (tensor.datatype.name(), tensor.data.len());
        TensorHead { name: &tensor.name, datatype, shape: &tensor.shape, size }
    }
}

/// What a worker says when it has loaded its bundle, or has not.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum First {
    Ready {},
    Failed { error: Fault },
}

/// What user code has done wrong, or what is wrong with the request.
#[derive(Clone, Debug, Deserialize)]
pub struct Fault {
    pub status: u16,
    #[serde(rename = "type")]
    pub kind: String,
    pub message: String,
    pub traceback: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Answer {
    Outputs(Vec<Tensor>),
    Json(Bytes),
    Fault(Fault),
}

/// Seconds that a batch took.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Seconds {
    pub preprocess: f64,
    pub predict: f64,
    pub postprocess: f64,
}

#[derive(Deserialize)]
struct Answers {
    answers: Vec<Written>,
    seconds: Seconds,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Written {
    Outputs(Vec<WrittenTensor>),
    Json(usize),
    Error(Fault),
}

#[derive(Deserialize)]
struct WrittenTensor {
    name: String,
    datatype: String,
    shape: Vec<u64>,
    size: usize,
}

/// Requests in one frame.
pub fn batch<'a>(questions: impl Iterator<Item = (&'a str, &'a Question)> + Clone) -> Vec<u8> {
    let requests = questions.clone().map(|(id, question)| question.head(id)).collect();
    let mut head = serde_json::to_vec(&Predict { kind: "predict", requests }).expect("the head is JSON");
    head.resize(head.len() + (LENGTHS + head.len()).wrapping_neg() % ALIGNMENT, b' ');
    let parts = || questions.clone().flat_map(|(_, question)| question.parts());
    let size: usize = parts().map(|part| part.len().next_multiple_of(ALIGNMENT)).sum();
    let mut frame = Vec::with_capacity(LENGTHS + head.len() + size);
    frame.extend_from_slice(&u32::try_from(head.len()).expect("bodies are smaller").to_le_bytes());
    frame.extend_from_slice(&(size as u64).to_le_bytes());
    frame.extend_from_slice(&head);
    for part in parts() {
        frame.extend_from_slice(part);
        frame.resize(frame.len().next_multiple_of(ALIGNMENT), 0);
    }
    frame
}

/// One end of the socket to a worker.
pub struct Channel {
    stream: UnixStream,
    received: bytes::BytesMut,
    /// Bytes of the largest frame that is taken in.
    most: usize,
}

impl Channel {
    pub fn new(stream: UnixStream, most: usize) -> Channel {
        Channel { stream, received: bytes::BytesMut::with_capacity(1 << 16), most }
    }

    pub async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame).await
    }

    /// Ready when the worker has gone, or speaks unasked, which comes to the same.
    pub async fn disturbed(&self) {
        loop {
            let ready = self.stream.readable().await;
            match self.stream.try_read(&mut [0]) {
                Err(error) if ready.is_ok() && error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }

    /// Head and body of the next frame.
    pub async fn receive(&mut self) -> io::Result<(Bytes, Bytes)> {
        self.fill(LENGTHS).await?;
        let lengths = self.received.split_to(LENGTHS);
        let head = u32::from_le_bytes(lengths[..4].try_into().expect("4 bytes")) as usize;
        let body = u64::from_le_bytes(lengths[4..].try_into().expect("8 bytes"));
        let body = usize::try_from(body).unwrap_or(usize::MAX);
        if head.saturating_add(body) > self.most {
            let most = self.most;
            return Err(io::Error::other(format!(
                "its answer has {body} bytes, and {most} is the most: ask for fewer rows"
            )));
        }
        self.fill(head + body).await?;
        let mut frame = self.received.split_to(head + body).freeze();
        Ok((frame.split_to(head), frame))
    }

    async fn fill(&mut self, size: usize) -> io::Result<()> {
        self.received.reserve(size.saturating_sub(self.received.len()).max(4096));
        while self.received.len() < size {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    pub async fn receive_first(&mut self) -> io::Result<First> {
        let (head, _) = self.receive().await?;
        serde_json::from_slice(&head).map_err(io::Error::other)
    }

    /// As many as were asked for.
    pub async fn receive_answers(&mut self, count: usize) -> io::Result<(Vec<Answer>, Seconds)> {
        let (head, mut body) = self.receive().await?;
        let told: Answers = serde_json::from_slice(&head).map_err(io::Error::other)?;
        if told.answers.len() != count {
            return Err(io::Error::other("a worker has answered other requests than it was asked"));
        }
        let answers = told.answers.into_iter().map(|one| read(one, &mut body)).collect::<io::Result<_>>()?;
        Ok((answers, told.seconds))
    }
}

fn read(written: Written, body: &mut Bytes) -> io::Result<Answer> {
    Ok(match written {
        Written::Error(fault) => Answer::Fault(fault),
        Written::Json(size) => Answer::Json(take(size, body)?),
        Written::Outputs(outputs) => Answer::Outputs(
            outputs
                .into_iter()
                .map(|one| {
                    let datatype = Datatype::parse(&one.datatype).map_err(io::Error::other)?;
                    Tensor::new(one.name, datatype, one.shape, take(one.size, body)?).map_err(io::Error::other)
                })
                .collect::<io::Result<_>>()?,
        ),
    })
}

fn take(size: usize, body: &mut Bytes) -> io::Result<Bytes> {
    let padded = size.checked_next_multiple_of(ALIGNMENT).filter(|&padded| padded <= body.len());
    let padded = padded.ok_or_else(|| io::Error::other("a frame is shorter than it says"))?;
    Ok(body.split_to(padded).slice(..size))
}
