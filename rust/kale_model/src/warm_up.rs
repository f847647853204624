//! What a process may do ahead of any step.

use serde::{Deserialize, Serialize};

/// One action, in the notebook's order. None computes anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarmUp {
    /// An import statement of installed modules, such as `import numpy` or `from sklearn.svm import SVC`.
    Import(String),
    /// An environment variable that the notebook sets, for the imports after it.
    Set { name: String, value: String },
}
