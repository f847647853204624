//! A client's connection. Who does not take the answer that it has asked for is not waited for without end: answers that
//! nobody reads would fill the memory.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// So much is to be taken in the time that there is: a byte now and then is not enough.
const LEAST: usize = 64 << 10;

pub struct PatientStream {
    stream: TcpStream,
    patience: Duration,
    /// There while the system takes no more, since the client does not.
    stalled: Option<Stalled>,
}

struct Stalled {
    end: Pin<Box<Sleep>>,
    taken: usize,
}

impl PatientStream {
    pub fn new(stream: TcpStream, patience: Duration) -> PatientStream {
        PatientStream { stream, patience, stalled: None }
    }

    /// What has become of an attempt to write, or the end of it all.
    fn waited(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match (&wrote, &mut self.stalled) {
            (Poll::Ready(Ok(count)), Some(stalled)) => {
                stalled.taken += count;
                if stalled.taken >= LEAST {
                    self.stalled = None;
                }
            }
            (Poll::Pending, stalled) => {
                let patience = self.patience;
                let stalled = stalled.get_or_insert_with(|| Stalled { end: Box::pin(sleep(patience)), taken: 0 });
                if stalled.end.as_mut().poll(context).is_ready() {
                    // What the system still has for the client goes, too.
                    let _ = self.stream.set_zero_linger();
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nobody takes the answer")));
                }
            }
            _ => {}
        }
        wrote
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.waited(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.waited(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Comes when all has been written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stalled = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
