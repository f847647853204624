//! Making something, once, where any request and any answer may get lost.
//!
//! What has failed may still be on its way: a gateway that gives up (502, 503, 504), or a connection that breaks off, does
//! not stop the server, which may need seconds more, and shows what it makes only when that is done. So a request is sent
//! again only where it has hardly arrived at all, or where a second one can do no harm; else what it makes is looked for,
//! and if it does not turn up, nobody knows, and that is said.

use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::connection::Connection;
use crate::error::{Kind, KubeflowError};
use crate::request::Request;
use crate::status::{CarriedOut, Failure};

/// How often it is looked for what may have been made, before it is taken not to be there.
const LOOKS: u32 = 3;
/// Between two looks while the server may still be at it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Connection {
    /// Makes something, once. Where it is not known whether a request was carried out, `find` looks for what it makes.
    pub fn create<T: DeserializeOwned>(
        &self,
        request: &Request,
        find: impl Fn() -> Result<Option<T>, KubeflowError>,
    ) -> Result<T, KubeflowError> {
        self.make(request, |failure| {
            if failure.carried_out == CarriedOut::No {
                return Ok(None);
            }
            match self.look(request, failure, &find)? {
                None if failure.carried_out != CarriedOut::Hardly => Err(unknown(&request.action, failure)),
                found => Ok(found),
            }
        })
    }

    /// Makes what has a name that the server gives only once. A second request can make no second one, so it is sent
    /// again wherever that may help.
    pub fn create_named<T: DeserializeOwned>(
        &self,
        request: &Request,
        find: impl Fn() -> Result<Option<T>, KubeflowError>,
    ) -> Result<T, KubeflowError> {
        self.make(request, |failure| {
            // Somebody else was faster, or an earlier attempt was carried out after all.
            let is_there = failure.error.kind == Kind::Exists || failure.carried_out != CarriedOut::No;
            if is_there { find() } else { Ok(None) }
        })
    }

    /// Sends a request until something is made. After each failure `outcome` gives what was made all the same; nothing,
    /// where it may be sent again; or an error, which ends it.
    fn make<T: DeserializeOwned>(
        &self,
        request: &Request,
        outcome: impl Fn(&Failure) -> Result<Option<T>, KubeflowError>,
    ) -> Result<T, KubeflowError> {
        self.patiently(request, || {
            let made = self.send(request).and_then(|answer| self.read(answer, request));
            made.or_else(|failure| match outcome(&failure) {
                Ok(Some(made)) => Ok(made),
                Ok(None) => Err(failure),
                Err(error) => Err(Failure::lasting(error)),
            })
        })
    }

    /// Looks a few times for what a request may have made: a server may be slow to show it. While it may still be at it,
    /// it is looked for as long as an answer would have been waited for.
    fn look<T>(
        &self,
        request: &Request,
        failure: &Failure,
        find: &impl Fn() -> Result<Option<T>, KubeflowError>,
    ) -> Result<Option<T>, KubeflowError> {
        let (begun, patience) = (Instant::now(), self.patience());
        for look in 1.. {
            if let Some(found) = find().map_err(|_| unknown(&request.action, failure))? {
                return Ok(Some(found));
            }
            let is_over = failure.carried_out != CarriedOut::PerhapsYet || begun.elapsed() >= patience.read;
            if look >= LOOKS && is_over {
                break;
            }
            thread::sleep(patience.pause(look).min(LONGEST_PAUSE));
        }
        Ok(None)
    }
}

/// It may have been carried out, and nobody can tell.
fn unknown(action: &str, failure: &Failure) -> KubeflowError {
    let message = format!("it is not known whether it worked to {action}: {}", failure.error.message);
    let help = "nothing was sent a second time: look whether it is there before you try again";
    KubeflowError::new(Kind::Unknown, message, help)
}
