//! What state a run, or a task of one, is in.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuntimeState {
    Pending,
    Running,
    Succeeded,
    /// Not needed, or its result was there.
    Skipped,
    Failed,
    Canceling,
    Canceled,
    Paused,
    /// The server has not said, or in a word that a newer API has.
    #[default]
    #[serde(rename = "RUNTIME_STATE_UNSPECIFIED", other)]
    Unspecified,
}

impl RuntimeState {
    /// Whether it stays so.
    pub fn is_final(self) -> bool {
        use RuntimeState::{Canceled, Failed, Skipped, Succeeded};
        matches!(self, Succeeded | Skipped | Failed | Canceled)
    }
}
