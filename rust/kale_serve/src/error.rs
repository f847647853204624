//! Why there is no server, in words for the person who started it.

use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("`{}` cannot be served: {reason}", folder.display())]
    Bundle { folder: PathBuf, reason: String },
    #[error("`{name}` cannot be the service's name: {reason}")]
    Name { name: String, reason: String },
    #[error("a server that other machines reach needs a token")]
    Unguarded,
    #[error("`{origin}` is no origin of pages")]
    Origin { origin: String },
    #[error("nothing can listen at {address}: {reason}")]
    Listen { address: SocketAddr, reason: String },
    #[error("the log cannot be written to `{}`: {reason}", path.display())]
    Log { path: PathBuf, reason: String },
    #[error("the model's process cannot be started: {reason}")]
    Worker { reason: String },
    /// What Python said when it loaded the bundle.
    #[error("the model cannot be loaded: {message}")]
    Load { message: String, traceback: Option<String> },
    #[error("the model was not loaded within {seconds} seconds")]
    Slow { seconds: u64 },
    #[error("the server was stopped before the model was loaded")]
    Stopped,
    #[error("the server cannot run: {reason}")]
    System { reason: String },
}

impl ServeError {
    /// What can be done about it.
    pub fn help(&self) -> String {
        match self {
            ServeError::Bundle { .. } => "give the folder that `serve` has packed: it has a `bundle.json`".to_owned(),
            ServeError::Name { .. } => "choose another name".to_owned(),
            ServeError::Unguarded => "give one (`--token-env VARIABLE`), say that something in front of it guards it \
                                      (`--open`), or listen on 127.0.0.1"
                .to_owned(),
            ServeError::Origin { .. } => {
                "write it as browsers do: SCHEME://HOST or SCHEME://HOST:PORT, in small letters, such \
                                          as https://app.example.org; or `*` for all"
                    .to_owned()
            }
            ServeError::Listen { .. } => "choose another port, or 0 for any that is free".to_owned(),
            ServeError::Log { .. } => "see to the folder, or log elsewhere".to_owned(),
            ServeError::Worker { .. } => "see that the interpreter is there (`--python`)".to_owned(),
            ServeError::Load { .. } => {
                "the traceback has the place; what is not installed there is in the bundle's requirements".to_owned()
            }
            ServeError::Slow { .. } => "its log says what it was waiting for: `kale-rs services logs NAME`".to_owned(),
            ServeError::Stopped => String::new(),
            ServeError::System { .. } => "see `ulimit -a`, and start it again".to_owned(),
        }
    }
}
